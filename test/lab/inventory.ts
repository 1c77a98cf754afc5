/**
 * An inventory for a lab of nspawn hosts: each host's sshd, reached over TCP as a machine's would be.
 *
 * The hosts' sshd answers on a unix socket each, so a port of loopback is relayed to it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LabKeys } from '../../provision/backends/nspawn/keys.ts'
import { labPaths } from '../../provision/backends/nspawn/paths.ts'

export type Entries = Record<string, Record<string, unknown> | undefined>

export interface RelayedLab extends AsyncDisposable {
  folder: string
  /** What the inventory says of each host; to be changed for a test. */
  entries: Entries
  /** Writes an inventory and returns its path. */
  inventory(entries?: Entries): string
}

export async function relayedLab(lab: string): Promise<RelayedLab> {
  const folder = mkdtempSync(join(tmpdir(), 'inventory-'))
  const keys: LabKeys = JSON.parse(readFileSync(labPaths(lab).keys, 'utf8'))
  writeFileSync(join(folder, 'key'), keys.client.private, { mode: 0o600 })
  const names = Object.keys(keys.hosts)
  const relays = await Promise.all(names.map((name) => relay(labPaths(lab).host(name).socket)))
  const entryOf = (name: string, i: number) => ({
    address: '127.0.0.1',
    port: relays[i]?.port,
    user: i === 0 ? 'root' : 'vagrant', // who may sudo without a password
    identityFile: 'key',
    hostKey: keys.hosts[name]?.public,
  })
  const entries = Object.fromEntries(names.map((name, i) => [name, entryOf(name, i)]))
  let written = 0
  return {
    folder,
    entries,
    inventory(hosts = entries) {
      const file = join(folder, `inventory-${written++}.json`)
      writeFileSync(file, JSON.stringify({ hosts }, null, 2))
      return file
    },
    async [Symbol.asyncDispose]() {
      for (const { server } of relays) server.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function relay(socket: string): Promise<{ server: Server; port: number }> {
  const server = createServer((from) => {
    const to = connect(socket)
    for (const end of [from, to]) end.on('error', () => end.destroy()) // the other side hears of it by its close
    from.pipe(to).pipe(from)
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve({ server, port: (server.address() as AddressInfo).port })),
  )
}
