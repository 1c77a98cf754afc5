/**
 * The procedure: which steps make a bare machine into a lab host, by role, in order.
 */
import type { LabHost, Role } from '../lab/definition.ts'
import { names, packages } from './base.ts'
import { consul, consulPackage } from './consul.ts'
import { consulAcl } from './consul-acl.ts'
import { containerImage } from './container-image.ts'
import { dialect, user } from './dialect.ts'
import { docker, engineOptions } from './docker.ts'
import { driver, driverFiles, driverSecrets, node } from './driver.ts'
import { engine } from './engine.ts'
import { enginePrograms, engineVersion } from './engine-programs.ts'
import { type Step, type Target, take } from './step.ts'

const stepsFor: Record<Role, readonly Step[]> = {
  bare: [packages, names],
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
    enginePrograms,
    docker,
    engineVersion,
    dialect,
    user,
    containerImage,
  ],
}

/** Steps for a box: those that need a network or much time, and depend on no host's name or address. */
export const boxSteps: readonly Step[] = [packages, consulPackage, node, driverFiles, engine, containerImage]

/** Work for the progress tree, one part per step. `target` is called when a step begins. */
export function provisioning(host: LabHost, target: () => Target, changed: (title: string) => void) {
  return stepsFor[host.role].map((step) => ({
    title: step.title,
    run: async (say: (line: string) => void) => {
      const did = await take(step, target())
      say(did ? 'changed' : 'ok')
      if (did) changed(`${host.name}: ${step.title}`)
    },
  }))
}
