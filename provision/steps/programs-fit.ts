/**
 * The programs of --engine-from and --consul-from are for the host's processor. Asked of the host before
 * anything is changed there: the machine that runs the steps may have another processor.
 */
import { checkProgram, engineProgramsIn } from '../images/programs.ts'
import type { Step, StepContext } from './step.ts'

export const programsFit: Step = {
  title: 'programs of --engine-from and --consul-from: for this processor',
  async holds(context) {
    const { host, programs } = context
    const engine = host.role === 'docker' ? programs.engine : undefined
    const consul = host.role === 'consul' ? programs.consul : undefined
    if (engine === undefined && consul === undefined) return true
    const its = { arch: await processorOf(context), name: `${host.name} is` }
    for (const path of Object.values(engine === undefined ? {} : engineProgramsIn(engine)))
      checkProgram(path, '--engine-from', its)
    if (consul !== undefined) checkProgram(consul, '--consul-from', its)
    return true
  },
  apply: async () => undefined,
}

/** Node's name of the host's processor: `x64`, `arm64`. */
export async function processorOf({ $ }: StepContext): Promise<string> {
  const machine = (await $`uname -m`).stdout.trim()
  return { x86_64: 'x64', aarch64: 'arm64' }[machine] ?? machine
}
