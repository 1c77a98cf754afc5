/**
 * The procedure: which steps make a bare machine into a lab host, by role, in order.
 */
import type { LabHost } from './hosts.ts'
import type { Connection } from './ssh.ts'
import { names, packages } from './steps/base.ts'
import { consul } from './steps/consul.ts'
import { dialect, user } from './steps/dialect.ts'
import { containerImage, docker, engineOptions } from './steps/docker.ts'
import { driver, node } from './steps/driver.ts'
import { type Step, take } from './steps/step.ts'

export const stepsFor: Record<LabHost['role'], readonly Step[]> = {
  consul: [packages, names, consul],
  docker: [packages, names, engineOptions, node, driver, docker, dialect, user, containerImage],
}

/** Work for the progress tree: one part per step, which says whether it changed something. */
export function provisioning(host: LabHost, connection: () => Connection, changed: (title: string) => void) {
  return stepsFor[host.role].map((step) => ({
    title: step.title,
    run: async (say: (line: string) => void) => {
      const did = await take(step, connection(), host)
      say(did ? 'changed' : 'holds already')
      if (did) changed(`${host.name}: ${step.title}`)
    },
  }))
}
