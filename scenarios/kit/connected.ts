/**
 * A lab host outside of a scenario. Its commands are not recorded.
 */
import type { Backend } from '../../provision/backends/backend.ts'
import { hostNamed } from '../../provision/lab/hosts.ts'
import type { Connection } from '../../provision/ssh/connection.ts'
import { type Host, labHost } from './host.ts'

export interface ConnectedHost extends AsyncDisposable {
  host: Host
  upload: Connection['upload']
}

export async function connected(backend: Backend, name: string): Promise<ConnectedHost> {
  const connection = await backend.connect(hostNamed(name))
  const unrecorded = () => undefined
  return {
    host: labHost(name, hostNamed(name).address, async () => connection, unrecorded),
    upload: connection.upload,
    [Symbol.asyncDispose]: async () => connection.close(),
  }
}
