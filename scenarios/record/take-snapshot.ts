/**
 * Takes a snapshot of the lab: one command line per host, on all hosts at once, some 30 ms.
 */
import type { LabHost } from '../../provision/lab/definition.ts'
import { messageOf } from '../../provision/process/errors.ts'
import type { Result } from '../../provision/ssh/connection.ts'
import type { HostAnswer } from './answers.ts'
import { askHost, hostView } from './ask-host.ts'
import { askStore, storeView } from './ask-store.ts'
import type { Snapshot } from './snapshot.ts'

/** Runs a command line on a host without recording it. */
export type Ask = (host: LabHost, command: string) => Promise<Result>

/** `driver`: Docker's name of the driver whose networks are in the snapshot. */
export async function takeSnapshot(hosts: readonly LabHost[], driver: string, ask: Ask): Promise<Snapshot> {
  const answers = await Promise.all(hosts.map((host) => answer(host, ask)))
  const of = (role: LabHost['role']) => answers.filter((_, i) => hosts[i]?.role === role)
  const [store] = of('consul').map(storeView)
  return { ...(store && { store }), hosts: of('docker').map((each) => hostView(each, driver)) }
}

/** A host that is down or cut off is in the snapshot as silent. */
async function answer(host: LabHost, ask: Ask): Promise<HostAnswer> {
  const { name, address } = host
  try {
    const { stdout, code, stderr } = await ask(host, host.role === 'consul' ? askStore : askHost)
    return { name, address, stdout, ...(code !== 0 && { silent: stderr.trim() || `exit code ${code}` }) }
  } catch (error) {
    return { name, address, stdout: '', silent: messageOf(error) }
  }
}
