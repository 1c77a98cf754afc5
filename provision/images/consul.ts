/**
 * Consul's program in the cache: for the nspawn lab's Consul servers, and for tests without a lab.
 *
 * apt fetches and verifies the package with a configuration of its own: this machine's apt does not change.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { run } from '../process/run.ts'
import { cached, cacheRoot } from './cache.ts'
import { type ConsulSource, consulSources, firstOf } from './consul-sources.ts'
import { debianMirror } from './mirror.ts'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Path of the program; fetched at the first call. */
export async function consulBinary(): Promise<string> {
  const folder = join(cacheRoot, 'consul')
  await cached(folder, async (part) => {
    const sources = consulSources(await debianMirror())
    await firstOf(sources, (source) => unpack(source, part))
  })
  return join(folder, 'usr/bin/consul')
}

async function unpack(source: ConsulSource, to: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'multihost-consul-'))
  try {
    const apt = await aptFor(source, work)
    await run('apt-get', [...apt, 'update', '-q', '--error-on=any'])
    const download = ['apt-get', ...apt, 'download', '-q', 'consul']
    await run('sh', ['-c', 'cd "$1" && shift && exec "$@"', 'sh', work, ...download])
    const deb = readdirSync(work).find((name) => name.startsWith('consul_') && name.endsWith('.deb'))
    if (deb === undefined) throw new LabError('apt-get download brought no package of consul')
    mkdirSync(to, { recursive: true })
    await run('dpkg-deb', ['-x', join(work, deb), to])
  } finally {
    rmSync(work, { recursive: true, force: true })
    checkInterrupted()
  }
}

/** Options that make apt use the folder alone, with this source as its only one. */
async function aptFor({ site, suite, key }: ConsulSource, work: string): Promise<string[]> {
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'etc'])
    mkdirSync(join(work, folder), { recursive: true })
  const signedBy = key === undefined ? keyring : join(work, 'key.asc')
  if (key !== undefined) await run('/usr/lib/apt/apt-helper', ['download-file', key, signedBy])
  writeFileSync(join(work, 'etc/sources.list'), `deb [signed-by=${signedBy}] ${site} ${suite} main\n`)
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
