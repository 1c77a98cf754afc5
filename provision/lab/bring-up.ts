/**
 * Bringing the whole lab up: machines by a backend, then the provisioning steps, all hosts at the same time.
 */
import { fileURLToPath } from 'node:url'
import type { Backend } from '../backends/backend.ts'
import { perform, type Timing, type Work } from '../cli/progress.ts'
import { checkInterrupted, onInterruption } from '../process/interruption.ts'
import { run } from '../process/run.ts'
import type { Connection } from '../ssh/connection.ts'
import { provisioning } from '../steps/procedure.ts'
import { hosts, type LabHost } from './hosts.ts'
import type { Secrets } from './secrets.ts'

export interface Raised {
  timings: Timing[]
  /** `net-1: docker engine …`, one per step that changed something. */
  changed: string[]
}

/** In a process of its own, as `npm run build` does it: a build that fails is told apart from a lab that does. */
async function buildDriver(): Promise<void> {
  const script = fileURLToPath(new URL('../../driver/build.ts', import.meta.url))
  await run(process.execPath, ['--import', 'tsx', script])
}

/** Idempotent. `stays`: the lab outlives this process. On failure what is half made is the caller's to give up. */
export async function raise(backend: Backend, options: { stays: boolean; quiet?: boolean }): Promise<Raised> {
  const boot = { title: 'boot', start: (host: LabHost) => backend.boot(host) }
  const raised = await provisioned(backend, hosts, boot, backend.prepare(), options)
  checkInterrupted()
  backend.complete(options.stays)
  return raised
}

/** The provisioning steps alone, on hosts that are up. */
export function provisionAll(backend: Backend, only: readonly LabHost[]): Promise<Raised> {
  return provisioned(backend, only, { title: 'connect', start: async () => undefined })
}

/**
 * Each host is started and connected to, and taken through its steps; the connections are closed with the last of
 * them, or by an interruption: what still waits on a closed connection fails.
 */
async function provisioned(
  backend: Backend,
  wanted: readonly LabHost[],
  begin: { title: string; start: (host: LabHost) => Promise<void> },
  before: Work[] = [],
  options: { quiet?: boolean } = {},
): Promise<Raised> {
  const open: Connection[] = []
  const close = () => open.forEach((connection) => void connection.close())
  const stopListening = onInterruption(close)
  const changed: string[] = []
  let secrets: Secrets | undefined
  const partsOf = (host: LabHost): Work[] => {
    let connection: Connection | undefined
    const run = async () => {
      await begin.start(host)
      connection = await backend.connect(host)
      open.push(connection)
    }
    const opened = () => {
      if (connection) return connection
      throw new Error(`${host.name} has no connection yet`)
    }
    const steps = provisioning(
      host,
      opened,
      (title) => changed.push(title),
      () => secrets,
    )
    return [{ title: begin.title, run }, ...steps]
  }
  const readSecrets = async () => {
    secrets = await backend.secrets?.()
  }
  const parts = wanted.map((host) => ({ title: host.name, parts: partsOf(host) }))
  try {
    const works = [...before, { title: 'driver bundle', run: buildDriver }]
    if (backend.secrets) works.push({ title: "Consul's secrets", run: readSecrets })
    const timings = await perform([...works, { title: 'hosts', together: true, parts }], options)
    return { timings, changed }
  } finally {
    stopListening()
    close()
  }
}
