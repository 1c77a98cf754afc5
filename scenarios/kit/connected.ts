/**
 * A lab host outside of a scenario. Its commands are not recorded.
 */
import type { Backend } from '../../provision/backends/backend.ts'
import { hostNamed } from '../../provision/lab/definition.ts'
import type { Connection } from '../../provision/ssh/connection.ts'
import { type Host, labHost } from './host.ts'

export interface ConnectedHost extends AsyncDisposable {
  host: Host
  connection: Connection
}

export async function connected(backend: Backend, name: string): Promise<ConnectedHost> {
  const host = hostNamed(backend.lab, name)
  const connection = await backend.connect(host)
  const unrecorded = () => undefined
  return {
    host: labHost(name, host.address, async () => connection, unrecorded),
    connection,
    [Symbol.asyncDispose]: async () => connection.close(),
  }
}
