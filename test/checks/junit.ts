/**
 * Counts the tests of a JUnit file, and names those that failed. Vitest and the scenarios' report write
 * `<testcase>` elements with at most one `<failure>`, `<error>` or `<skipped>` each; the text inside them has
 * its `<` escaped.
 */
export type Counts = { passed: number; failed: number; skipped: number }

export function countsOf(xml: string): Counts {
  const cases = xml.split('<testcase ').slice(1)
  const failed = cases.filter((text) => text.includes('<failure') || text.includes('<error')).length
  const skipped = cases.filter((text) => text.includes('<skipped')).length
  return { passed: cases.length - failed - skipped, failed, skipped }
}

/** One line for each failed test: its file, its name, and the first lines of what was wrong. */
export function failuresOf(xml: string): string[] {
  return xml
    .split('<testcase ')
    .slice(1)
    .flatMap((text) => {
      const failure = /<(?:failure|error)[ >](.*)/s.exec(text)
      if (!failure) return []
      const [file, name] = [attributeOf('classname', text), attributeOf('name', text)]
      return [`${file} > ${name}: ${shortened(wordsOf(failure[1] ?? ''))}`]
    })
}

/** `failure`: what follows the name of the element. The report's `message` is the first line of its text. */
function wordsOf(failure: string): string {
  const message = attributeOf('message', failure)
  const text = unescaped(/>([^<]*)</.exec(failure)?.[1] ?? '')
  return text.startsWith(message) ? text : message
}

/** A command's failure has the words of the command in its second line or third. */
function shortened(message: string): string {
  const lines = message.split('\n').filter((line) => line.trim() !== '')
  return lines.slice(0, 3).join(' | ').slice(0, 600)
}

/** The value of an attribute, unescaped; '' where the element has none. */
function attributeOf(attribute: string, element: string): string {
  return unescaped(new RegExp(`\\b${attribute}="([^"]*)"`).exec(element)?.[1] ?? '')
}

function unescaped(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|#39|amp|#10);/g, (_, name: string) => characters[name] ?? '')
}

const characters: Record<string, string> = {
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
  amp: '&',
  '#10': '\n',
}

export function sum(counts: readonly Counts[]): Counts {
  const total = (key: keyof Counts): number => counts.reduce((all, each) => all + each[key], 0)
  return { passed: total('passed'), failed: total('failed'), skipped: total('skipped') }
}
