/**
 * Bringing a lab up: machines by a backend, then the provisioning steps, on all hosts at the same time.
 */
import { fileURLToPath } from 'node:url'
import type { Backend } from '../backends/backend.ts'
import { perform, type Timing, type Work } from '../cli/progress.ts'
import { checkInterrupted, onInterruption } from '../process/interruption.ts'
import { run } from '../process/run.ts'
import type { Connection } from '../ssh/connection.ts'
import { provisioning } from '../steps/procedure.ts'
import type { LabHost } from './definition.ts'
import type { Secrets } from './secrets.ts'

export interface BroughtUp {
  timings: Timing[]
  /** `net-1: docker engine …`, one per step that changed something. */
  changed: string[]
}

/** Idempotent. `stays`: the lab outlives this process. On failure the caller abandons what is half made. */
export async function bringUp(
  backend: Backend,
  options: { stays: boolean; quiet?: boolean },
): Promise<BroughtUp> {
  const start = { title: 'boot', run: (host: LabHost) => backend.boot(host) }
  // Read late: which lab it is, is known when it is claimed.
  const broughtUp = await provision(backend, () => backend.lab.hosts, start, backend.prepare(), options)
  checkInterrupted()
  backend.complete(options.stays)
  return broughtUp
}

/** Runs the provisioning steps alone, on hosts that are up. */
export function provisionHosts(backend: Backend, hosts: readonly LabHost[]): Promise<BroughtUp> {
  // Machines that are not ours are looked at before the first step.
  const run = async (host: LabHost) => (backend.fresh ? undefined : backend.boot(host))
  return provision(backend, () => hosts, { title: 'connect', run })
}

interface Start {
  title: string
  run: (host: LabHost) => Promise<void>
}

/**
 * Starts each host, connects to it and runs its steps. The connections are closed at the end, or by an
 * interruption: a command that waits on a closed connection fails.
 */
async function provision(
  backend: Backend,
  hosts: () => readonly LabHost[],
  start: Start,
  before: Work[] = [],
  options: { quiet?: boolean } = {},
): Promise<BroughtUp> {
  const open: Connection[] = []
  const changed: string[] = []
  let secrets: Secrets | undefined
  const readSecrets = async () => {
    secrets = await backend.secrets?.()
  }
  const close = () => open.forEach((connection) => void connection.close())
  const stopListening = onInterruption(close)
  const partOf = (host: LabHost): Work => {
    let connection: Connection | undefined
    const connect = async () => {
      await start.run(host)
      connection = await backend.connect(host)
      open.push(connection)
    }
    const target = () => {
      const { lab, programs } = backend
      if (connection) return { lab, host, connection, secrets, programs, engine: backend.engineOf(host) }
      throw new Error(`${host.name} has no connection yet`)
    }
    const steps = provisioning(host, target, (title) => changed.push(title))
    return { title: host.name, parts: [{ title: start.title, run: connect }, ...steps] }
  }
  const driver = async () => {
    if (hosts().some(({ role }) => role === 'docker')) await buildDriver()
  }
  const work: Work[] = [...before, { title: 'driver bundle', run: driver }]
  if (backend.secrets) work.push({ title: "Consul's secrets", run: readSecrets })
  try {
    const timings = await perform(
      [...work, { title: 'hosts', together: true, parts: () => hosts().map(partOf) }],
      options,
    )
    return { timings, changed }
  } finally {
    stopListening()
    close()
  }
}

/** In a process of its own, as `npm run build` does it: an error then names the build. */
async function buildDriver(): Promise<void> {
  const script = fileURLToPath(new URL('../../driver/build.ts', import.meta.url))
  await run(process.execPath, ['--import', import.meta.resolve('tsx'), script])
}
