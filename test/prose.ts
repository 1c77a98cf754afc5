/**
 * `npm run check`, the part about prose: how many sign words (test/checks/sign-words.ts) stand in code and
 * docs, and comments that are too wide.
 */
import { wideCommentsOf } from './checks/comment-width.ts'
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

const wide = files.filter(({ path }) => /\.(ts|mjs)$/.test(path)).flatMap(wideCommentsOf)
console.log(`${wide.length} comments that are too wide`)
if (wide.length > 0) {
  for (const { path, line, width } of wide) console.error(`${path}:${line}: a comment of ${width} characters`)
  process.exitCode = 1
}
