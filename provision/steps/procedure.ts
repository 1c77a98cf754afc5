/**
 * The procedure: which steps make a bare machine into a lab host, by role, in order.
 */
import type { LabHost, Role } from '../lab/definition.ts'
import { names, packages } from './base.ts'
import { consul, consulFits, consulPackage } from './consul.ts'
import { consulAcl } from './consul-acl.ts'
import { containerImage } from './container-image.ts'
import { dialect, dialectFits, user } from './dialect.ts'
import { driver, driverFiles, driverSecrets, node } from './driver.ts'
import { engineSettled, giveEngineBack } from './earlier-engine.ts'
import { engine, engineFits } from './engine.ts'
import { docker, engineOptions } from './engine-options.ts'
import { enginePrograms, engineVersion } from './engine-programs.ts'
import { programsFit } from './programs-fit.ts'
import { contextOn, type Step, type Target, take } from './step.ts'

/**
 * First, what stands in the way on a host is refused. The engine's packages come before its options: dpkg
 * asks about a configuration file that is there before its package. The options are the first change of a
 * person's engine: packages and Node, which often fail, come before them.
 */
const stepsFor: Record<Role, readonly Step[]> = {
  bare: [packages, names],
  consul: [programsFit, consulFits, packages, names, consulPackage, consul, consulAcl],
  docker: [
    programsFit,
    dialectFits,
    engineFits,
    packages,
    names,
    engine,
    node,
    engineOptions,
    driverFiles,
    driverSecrets,
    driver,
    enginePrograms,
    docker,
    engineVersion,
    engineSettled,
    dialect,
    user,
    containerImage,
  ],
}

/** Steps for a box: those that need a network or much time, and depend on no host's name or address. */
export const boxSteps: readonly Step[] = [packages, consulPackage, engine, node, driverFiles, containerImage]

/** Work for the progress tree, one part per step. `target` is called when a step begins. */
export function provisioning(host: LabHost, target: () => Target, changed: (title: string) => void) {
  return stepsFor[host.role].map((step) => ({
    title: step.title,
    run: async (say: (line: string) => void) => {
      const did = await take(step, target()).catch(async (error) => {
        // Without a connection the next run goes on from here.
        if (host.role === 'docker') await giveEngineBack(contextOn(target())).catch(() => undefined)
        throw error
      })
      say(did ? 'changed' : 'ok')
      if (did) changed(`${host.name}: ${step.title}`)
    },
  }))
}
