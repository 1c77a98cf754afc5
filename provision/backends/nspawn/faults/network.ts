/**
 * Faults of the nspawn lab's network: made in its switch's namespace, where neither the hosts nor this machine's own
 * network see them.
 *
 * The list in force lies in a file of the lab's, since the process that made a fault may be gone when it is healed.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../process/run.ts'
import { describeFault, type NetworkFault, type NetworkFaults, parseFault } from '../../faults.ts'
import { labPaths } from '../paths.ts'
import { rulesFor } from './rules.ts'
import { type Slow, slowDown, speedUp } from './slow.ts'

export function nspawnFaults(lab: string, names: readonly string[]): NetworkFaults {
  const { switchNamespace: namespace } = labPaths(lab)
  const file = join(labPaths(lab).run, 'faults')
  const inForce = (): NetworkFault[] => {
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
    return lines.map((line) => parseFault(line.split(' ')))
  }
  return {
    inForce,
    async apply(faults) {
      const were = inForce()
      // What is about to be made, before it is: so it is healed whatever becomes of this process.
      note(file, [...were, ...faults])
      if (slowIn(were) !== slowIn(faults)) {
        await speedUp(namespace, names)
        await slowDown(namespace, faults.filter(isSlow))
      }
      await run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { input: rulesFor(faults) })
      await run('ip', ['-n', namespace, '-batch', '-'], { input: plugs(faults, names) })
      note(file, faults)
    },
  }
}

function plugs(faults: readonly NetworkFault[], names: readonly string[]): string {
  const unplugged = faults.flatMap((each) => (each.fault === 'unplug' ? [each.host] : []))
  return names.map((name) => `link set dev ${name} ${unplugged.includes(name) ? 'down' : 'up'}`).join('\n')
}

function note(file: string, faults: readonly NetworkFault[]): void {
  writeFileSync(file, faults.map((fault) => `${describeFault(fault)}\n`).join(''))
}

function slowIn(faults: readonly NetworkFault[]): string {
  return faults.filter(isSlow).map(describeFault).join('\n')
}

function isSlow(fault: NetworkFault): fault is Slow {
  return fault.fault === 'slow'
}
