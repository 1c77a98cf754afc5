/**
 * Bringing the whole lab up: machines by a backend, then the provisioning steps, all hosts at the same time.
 */
import { fileURLToPath } from 'node:url'
import type { Backend } from './backend.ts'
import { hosts } from './hosts.ts'
import { checkInterrupted, onInterruption, run } from './nspawn/run.ts'
import { perform, type Timing, type Work } from './progress.ts'
import { provisioning } from './provision.ts'
import type { Connection } from './ssh.ts'

export interface Raised {
  timings: Timing[]
  /** `net-1: docker engine …`, one per step that changed something. */
  changed: string[]
}

/** In a process of its own, as `npm run build` does it: a build that fails is told apart from a lab that does. */
async function buildDriver(): Promise<void> {
  const script = fileURLToPath(new URL('../driver/build.ts', import.meta.url))
  await run(process.execPath, ['--import', 'tsx', script])
}

/** Idempotent. `stays`: the lab outlives this process. On failure what is half made is the caller's to take down. */
export async function raise(backend: Backend, options: { stays: boolean; quiet?: boolean }): Promise<Raised> {
  const connections = new Map<string, Promise<Connection>>()
  const changed: string[] = []
  const stopListening = onInterruption(() => closeAll(connections))
  try {
    const works: Work[] = [
      ...backend.prepare(),
      { title: 'driver bundle', run: buildDriver },
      {
        title: 'hosts',
        together: true,
        parts: hosts.map((host) => hostWork(backend, host, connections, changed)),
      },
    ]
    const timings = await perform(works, options)
    checkInterrupted()
    backend.complete(options.stays)
    return { timings, changed }
  } finally {
    stopListening()
    closeAll(connections)
  }
}

/** The provisioning steps alone, on hosts that are up. */
export async function provisionAll(backend: Backend): Promise<Raised> {
  const connections = new Map<string, Promise<Connection>>()
  const changed: string[] = []
  const stopListening = onInterruption(() => closeAll(connections))
  const connect = async (host: Host) => {
    connections.set(host.name, backend.connect(host))
    await connections.get(host.name)
  }
  try {
    const works: Work[] = [
      { title: 'connect', parts: hosts.map((host) => ({ title: host.name, run: () => connect(host) })) },
      { title: 'driver bundle', run: buildDriver },
      {
        title: 'provision',
        together: true,
        parts: hosts.map((host) => provisionWork(host, connections, changed)),
      },
    ]
    const timings = await perform(works)
    return { timings, changed }
  } finally {
    stopListening()
    closeAll(connections)
  }
}

type Host = (typeof hosts)[number]

/** What still waits on a closed connection fails: this is also how provisioning is cut off. */
function closeAll(connections: Map<string, Promise<Connection>>): void {
  for (const connection of connections.values())
    connection.then((each) => each.close()).catch(() => undefined)
}

function hostWork(
  backend: Backend,
  host: Host,
  connections: Map<string, Promise<Connection>>,
  changed: string[],
): Work {
  const boot = {
    title: 'boot',
    run: async () => {
      await backend.boot(host)
      connections.set(host.name, backend.connect(host))
      await connections.get(host.name)
    },
  }
  const rest = provisionWork(host, connections, changed)
  return { title: host.name, parts: [boot, ...('parts' in rest ? rest.parts : [])] }
}

function provisionWork(host: Host, connections: Map<string, Promise<Connection>>, changed: string[]): Work {
  const connection = async () => {
    const opened = connections.get(host.name)
    if (!opened) throw new Error(`${host.name} has no connection yet`)
    return opened
  }
  return { title: host.name, parts: provisioning(host, connection, (title) => changed.push(title)) }
}
