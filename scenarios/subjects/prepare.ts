/**
 * A subject's steps, on the hosts of its role.
 */
import type { Backend } from '../../provision/backends/backend.ts'
import { hostNamed, hostsOfRole } from '../../provision/lab/definition.ts'
import { LabError } from '../../provision/process/errors.ts'
import { checkInterrupted, onInterruption } from '../../provision/process/interruption.ts'
import { take } from '../../provision/steps/step.ts'
import { connected } from '../kit/connected.ts'
import type { Machines, Subject } from '../kit/subject.ts'
import { inTurn, together } from '../kit/together.ts'

/** Connects to the hosts of the subject's role for the length of `work`. */
export async function onMachines<T>(
  { name, role }: Subject,
  backend: Backend,
  work: (machines: Machines) => Promise<T>,
): Promise<T> {
  const names = hostsOfRole(backend.lab, role).map((host) => host.name)
  const [first, ...rest] = await together(names.map((host) => connected(backend, host)))
  if (first === undefined)
    throw new LabError(`${backend.lab.source} has no host of role ${role}, which ${name} runs on`)
  const machines: Machines = [first, ...rest]
  await using _machines = {
    [Symbol.asyncDispose]: () => inTurn([first, ...rest], (machine) => machine[Symbol.asyncDispose]()),
  }
  // A step that never ends would keep an interrupted run from taking the lab down.
  const stop = onInterruption(() => {
    for (const { connection } of machines) connection.close()
  })
  using _interruption = { [Symbol.dispose]: stop }
  checkInterrupted()
  return await work(machines)
}

/** Runs the steps on all machines at once: a member of a cluster may start only when the others do. */
export async function runSteps({ steps }: Subject, backend: Backend, machines: Machines): Promise<void> {
  const { lab, programs } = backend
  const onEach = machines.map(async ({ host, connection }) => {
    for (const step of steps) await take(step, { lab, host: hostNamed(lab, host.name), connection, programs })
  })
  await together(onEach)
}
