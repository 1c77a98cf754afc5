/**
 * How a host answers many questions to one command line: a line each, a word and JSON.
 */
export interface Answer {
  name: string
  address: string
  stdout: string
  /** Why there is none. */
  silent?: string
}

export interface Told {
  word: string
  json: string
}

export function answers(stdout: string): Told[] {
  return stdout.split('\n').flatMap((line) => {
    const [, word = '', json = ''] = /^([a-z]+) (.+)$/.exec(line) ?? []
    return word === '' ? [] : [{ word, json }]
  })
}

export function list<T>(told: Told[], word: string): T[] {
  return parsed<T[]>(told.find((each) => each.word === word)?.json) ?? []
}

/** An answer that is no JSON (`null`, an error in words) is none: a picture is drawn of what there is. */
export function parsed<T>(json: string | undefined): T | undefined {
  try {
    return JSON.parse(json ?? '') ?? undefined
  } catch {
    return undefined
  }
}
