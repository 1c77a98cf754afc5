/**
 * Consul's program from Debian 11, the last release that packages it, unpacked into the cache: for tests without a lab.
 *
 * apt fetches and verifies the package with a configuration of its own: this machine's apt does not change.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { run } from '../process/run.ts'
import { cached, cacheRoot } from './cache.ts'
import { debianMirror } from './mirror.ts'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Path of the binary; fetched at the first call. */
export async function consulBinary(): Promise<string> {
  const folder = join(cacheRoot, 'consul')
  await cached(folder, async (part) => {
    const work = mkdtempSync(join(tmpdir(), 'multihost-consul-'))
    try {
      const apt = await aptFor(work)
      await run('apt-get', [...apt, 'update', '-q'])
      await run('sh', [
        '-c',
        'cd "$1" && shift && exec apt-get "$@"',
        'sh',
        work,
        ...apt,
        'download',
        '-q',
        'consul',
      ])
      const deb = readdirSync(work).find((name) => name.startsWith('consul_') && name.endsWith('.deb'))
      if (deb === undefined) throw new LabError('apt-get download brought no package of consul')
      mkdirSync(part)
      await run('dpkg-deb', ['-x', join(work, deb), part])
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  })
  return join(folder, 'usr/bin/consul')
}

/** Options that make apt use the given folder alone, with bullseye as its only source. */
async function aptFor(work: string): Promise<string[]> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'etc'])
    mkdirSync(join(work, folder), { recursive: true })
  writeFileSync(
    join(work, 'etc/sources.list'),
    `deb [signed-by=${keyring}] ${await debianMirror()} bullseye main\n`,
  )
  writeFileSync(join(work, 'status'), '')
  const options = {
    'Dir::Etc::SourceList': join(work, 'etc/sources.list'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Acquire::Check-Valid-Until': 'false',
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '2',
  }
  return Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}
