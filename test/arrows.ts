/**
 * `npm run check`, the part about the tree: which room imports which, functions that are too long, and
 * `finally` in scenarios.
 */
import { breaches } from './checks/arrows.ts'
import { importsOf } from './checks/imports.ts'
import { longFunctions, maxLines } from './checks/long-functions.ts'
import { finallyIn, isScenario } from './checks/no-finally.ts'
import { packagesOf, rooms } from './checks/rooms.ts'
import { filesOf } from './checks/tree.ts'

const files = filesOf(['*.ts', '*.mjs'])
const paths = files.map(({ path }) => path)
const arrows = breaches(paths, files.flatMap(importsOf), rooms, packagesOf)
const long = files
  .filter(({ path }) => /^(driver|provision|scenarios)\//.test(path))
  .flatMap((file) => longFunctions(file))

const found = [
  ...arrows.map(({ message }) => message),
  ...long.map(
    ({ path, name, line, lines }) =>
      `${path}:${line}: ${name} has ${lines} lines, and a function has at most ${maxLines}`,
  ),
  ...files
    .filter(({ path }) => isScenario(path))
    .flatMap(finallyIn)
    .map(
      ({ path, line }) =>
        `${path}:${line}: a finally that throws drops the scenario's own error: write \`await using … = atEnd(…)\` (scenarios/kit/at-end.ts)`,
    ),
]
for (const message of found) console.error(message)
console.log(`${files.length} files, ${rooms.length} rooms, ${found.length} breaches`)
if (found.length > 0) process.exitCode = 1
