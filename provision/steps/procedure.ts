/**
 * The procedure: which steps make a bare machine into a lab host, by role, in order.
 */
import type { LabHost } from '../lab/hosts.ts'
import type { Secrets } from '../lab/secrets.ts'
import type { Connection } from '../ssh/connection.ts'
import { names, packages } from './base.ts'
import { consul, consulPackage } from './consul.ts'
import { consulAcl } from './consul-acl.ts'
import { containerImage } from './container-image.ts'
import { dialect, user } from './dialect.ts'
import { docker, engineOptions } from './docker.ts'
import { driver, driverFiles, driverSecrets, node } from './driver.ts'
import { engine } from './engine.ts'
import { type Step, take } from './step.ts'

export const stepsFor: Record<LabHost['role'], readonly Step[]> = {
  consul: [packages, names, consulPackage, consul, consulAcl],
  docker: [
    packages,
    names,
    engineOptions,
    node,
    driverFiles,
    driverSecrets,
    driver,
    engine,
    docker,
    dialect,
    user,
    containerImage,
  ],
}

/** What a box has in it: all that takes a network or long, and nothing that names a host. */
export const boxSteps: readonly Step[] = [packages, consulPackage, node, driverFiles, engine, containerImage]

/** Work for the progress tree: one part per step, which says whether it changed something. */
export function provisioning(
  host: LabHost,
  connection: () => Connection,
  changed: (title: string) => void,
  secrets: () => Secrets | undefined,
) {
  return stepsFor[host.role].map((step) => ({
    title: step.title,
    run: async (say: (line: string) => void) => {
      const did = await take(step, connection(), host, secrets())
      say(did ? 'changed' : 'holds already')
      if (did) changed(`${host.name}: ${step.title}`)
    },
  }))
}
