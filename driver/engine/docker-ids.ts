/**
 * Docker's ids, as people write them. Docker prints the first 12 of their 64 digits, and takes every start of
 * an id that is one container's or network's alone. A shorter start may be a name.
 */
const printedDigits = 12

/** `text`: the id, or a start of it that is as long as Docker prints. */
export function isIdOf(id: string, text: string): boolean {
  return text === id || (text.length >= printedDigits && id.startsWith(text))
}

/** `text`: what a person wrote after `--network`. */
export function isCalled({ id, name }: { id: string; name: string }, text: string): boolean {
  return text === name || isIdOf(id, text)
}
