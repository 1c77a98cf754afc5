/**
 * The lab by libvirt: up, the scenarios, and that nothing changes whichever way the lab is asked; then down.
 */
import { defaultLab, namesOf } from '../../provision/lab/definition.ts'
import { LabError } from '../../provision/process/errors.ts'
import type { Boxes } from './box.ts'
import { type Commands, commandsIn, expectWords, timeoutScale } from './machines.ts'
import { ofAnEarlierPart, type Part } from './report.ts'
import { startLibvirt } from './sandbox.ts'

export const scenariosTitle = 'libvirt: scenarios'
/**
 * The walkthrough as a whole is replayed on VirtualBox's hardware: both would take more than the 45 minutes
 * of a run.
 */
const usualScenarios = ['2-getting-started']

export function libvirtParts(
  work: string,
  kvm: boolean,
  filters: readonly string[],
  boxes: () => Boxes,
): Part[] {
  const started = ofAnEarlierPart<Commands>('libvirt')
  const use = started.get
  return [
    {
      title: 'libvirt',
      prepares: 'libvirt',
      usualSeconds: 10,
      run: async (log) => {
        const commands = started.set(commandsIn(await startLibvirt(work, kvm), timeoutScale(kvm)))
        await commands.vagrant(log, 'validate')
        await commands.vagrant(log, 'box', 'add', '--name', 'multihost-lab', boxes().libvirt)
      },
    },
    {
      title: 'libvirt: vagrant up',
      prepares: 'libvirt',
      usualSeconds: 320,
      run: async (log) => void (await use().vagrant(log, 'up')),
    },
    {
      title: 'libvirt: a second up changes nothing',
      usualSeconds: 35,
      run: async (log) => expectWords(await use().vagrant(log, 'up'), 'nothing changed'),
    },
    {
      title: scenariosTitle,
      usualSeconds: 350,
      run: async (log) => void (await use().scenarios(log, filters.length > 0 ? filters : usualScenarios)),
    },
    ...afterwards(use),
  ]
}

function afterwards(use: () => Commands): Part[] {
  return [
    {
      title: 'libvirt: every way to ask says that the lab is whole',
      usualSeconds: 90,
      run: async (log) => {
        const { vagrant, lab } = use()
        expectWords(await vagrant(log, 'ssh', 'net-1', '-c', 'multihost status'), ', connected')
        expectWords(await lab(log, 'status'), 'leader')
        expectWords(await lab(log, 'up'), 'nothing changed')
        expectWords(await vagrant(log, 'provision'), 'nothing changed')
      },
    },
    {
      title: 'libvirt: vagrant reload of one machine',
      usualSeconds: 180,
      run: async (log) => expectWords(await use().vagrant(log, 'reload', 'net-2'), 'nothing changed'),
    },
    {
      title: 'libvirt: vagrant halt, one machine up, then all',
      usualSeconds: 420,
      run: async (log) => {
        const { vagrant } = use()
        await vagrant(log, 'halt')
        expectWords(await vagrant(log, 'up', 'net-1'), 'missing: consul-server, net-2')
        expectWords(await vagrant(log, 'up'), 'nothing changed')
      },
    },
    {
      title: 'libvirt: one machine destroyed, then all by lab down',
      usualSeconds: 16,
      run: async (log) => {
        const { vagrant, lab, inside } = use()
        await vagrant(log, 'destroy', '-f', 'net-2')
        expectWords(await lab(log, 'down'), 'is gone')
        expectWords(await lab(log, 'down'), 'is not up')
        const left = await inside(log, 'virsh', 'list', '--all', '--name')
        const volumes = await inside(log, 'virsh', 'vol-list', 'default')
        const names = namesOf(defaultLab()).filter((name) => `${left}${volumes}`.includes(name))
        if (names.length > 0) throw new LabError(`libvirt still has something of ${names.join(', ')}`)
      },
    },
  ]
}
