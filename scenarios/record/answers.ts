/**
 * A host answers many questions with one command line. Each answer is a line: a word, a blank and JSON.
 */
import { jsonIn } from '../../provision/process/json.ts'

export interface HostAnswer {
  name: string
  address: string
  stdout: string
  /** Why the host did not answer. */
  silent?: string
}

export interface AnswerLine {
  word: string
  json: string
}

export function answerLines(stdout: string): AnswerLine[] {
  return stdout.split('\n').flatMap((line) => {
    const [, word = '', json = ''] = /^([a-z]+) (.+)$/.exec(line) ?? []
    return word === '' ? [] : [{ word, json }]
  })
}

/** The list that answers `word`; empty without an answer. */
export function list<T>(lines: AnswerLine[], word: string): T[] {
  return parsed<T[]>(lines.find((each) => each.word === word)?.json) ?? []
}

/** `undefined` for text that is not JSON, and for `null`: the snapshot shows the answers that there are. */
export function parsed<T>(json: string | undefined): T | undefined {
  return (jsonIn(json ?? '') ?? undefined) as T | undefined
}
