/**
 * `npm run package [-- --arch amd64|arm64] [--out FOLDER]`: the Debian packages and archives in dist/, for
 * both architectures.
 */
import { statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { unknown } from '../process/errors.ts'
import { exitWith } from '../process/exit.ts'
import { buildPackages } from './build.ts'
import { type Architecture, architectures } from './node.ts'
import { root } from './release.ts'

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { arch: { type: 'string' }, out: { type: 'string', default: join(root, 'dist') } },
  })
  for (const architecture of chosen(values.arch)) {
    for (const path of await buildPackages({ architecture, out: values.out }))
      console.log(`${relative(process.cwd(), path)}: ${(statSync(path).size / 2 ** 20).toFixed(1)} MiB`)
  }
  return 0
}

function chosen(given: string | undefined): readonly Architecture[] {
  if (given === undefined) return architectures
  const found = architectures.filter((each) => each === given)
  if (found.length === 0) throw unknown('architecture', given, architectures)
  return found
}

exitWith(main(process.argv.slice(2)))
