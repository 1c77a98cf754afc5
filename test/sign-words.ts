/**
 * `npm run check`, the part about prose: how many sign words (test/checks/sign-words.ts) stand in code and docs.
 */
import { maxSignWords, signWordsOf } from './checks/sign-words.ts'
import { filesOf } from './checks/tree.ts'

const files = filesOf([
  '*.ts',
  '*.mjs',
  '*.md',
  '*.rb',
  '*.sh',
  '*.hbs',
  '*.hcl',
  '*.yml',
  '*.json',
  '.ci/run',
])
const found = files
  .filter(({ path }) => !path.includes('sign-words') && path !== 'package-lock.json')
  .flatMap(signWordsOf)
console.log(`${found.length} sign words, at most ${maxSignWords}`)
if (found.length > maxSignWords) {
  for (const { path, line, words, text } of found) console.error(`${path}:${line}: "${words}" in: ${text}`)
  console.error('rewrite these sentences: subject, verb, object; the noun instead of a pronoun')
  process.exitCode = 1
}
