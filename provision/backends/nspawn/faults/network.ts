/**
 * Faults of the nspawn lab's network, made in the switch's namespace: invisible to the hosts and to this
 * machine's own network.
 *
 * A file of the lab lists the faults in force, since another process may heal them.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Lab, namesOf } from '../../../lab/definition.ts'
import { run } from '../../../process/run.ts'
import { writeWhole } from '../../../process/whole-file.ts'
import { describeFault, type NetworkFault, type NetworkFaults, parseFault } from '../../faults.ts'
import { labPaths } from '../paths.ts'
import { existing } from '../record.ts'
import { rulesFor } from './rules.ts'
import { type Slow, slowDown, speedUp } from './slow.ts'

export function nspawnFaults(name: string, labOf: () => Lab): NetworkFaults {
  const { switchNamespace: namespace } = labPaths(name)
  const file = join(labPaths(name).run, 'faults')
  const inForce = (): NetworkFault[] => {
    existing(name)
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => parseFault(labOf(), line.split(' ')))
  }
  const apply = async (faults: readonly NetworkFault[]): Promise<void> => {
    const [were, names] = [inForce(), namesOf(labOf())]
    // Recorded before it is made: `heal` finds it also when this process is killed meanwhile.
    note(file, [...were, ...faults])
    if (slowIn(were) !== slowIn(faults)) {
      await speedUp(namespace, names)
      await slowDown(namespace, faults.filter(isSlow))
    }
    await run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rulesFor(faults) })
    await run('ip', ['-n', namespace, '-batch', '-'], { input: plugs(faults, names) })
    note(file, faults)
  }
  let changes = Promise.resolve()
  return {
    inForce,
    change(next) {
      const change = changes.then(() => apply(next(inForce())))
      changes = change.catch(() => undefined) // the caller of that one learns of it
      return change
    },
  }
}

function plugs(faults: readonly NetworkFault[], names: readonly string[]): string {
  const unplugged = faults.flatMap((each) => (each.fault === 'unplug' ? [each.host] : []))
  return names.map((name) => `link set dev ${name} ${unplugged.includes(name) ? 'down' : 'up'}`).join('\n')
}

function note(file: string, faults: readonly NetworkFault[]): void {
  writeWhole(file, faults.map((fault) => `${describeFault(fault)}\n`).join(''))
}

function slowIn(faults: readonly NetworkFault[]): string {
  return faults.filter(isSlow).map(describeFault).join('\n')
}

function isSlow(fault: NetworkFault): fault is Slow {
  return fault.fault === 'slow'
}
