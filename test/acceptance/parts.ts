/**
 * What the acceptance run does, in order; read it as the procedure.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildContainerImage } from '../../provision/images/image.ts'
import { hosts } from '../../provision/lab/hosts.ts'
import { LabError } from '../../provision/process/errors.ts'
import { run } from '../../provision/process/run.ts'
import { baseImage } from './base-image.ts'
import { type Boxes, builtBoxes } from './box.ts'
import { junit, type Log, type Part, perform, timesTable } from './report.ts'
import { environment, kvmWorks, type Sandbox, startLibvirt } from './sandbox.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const scenarios = 'scenarios on the machines'

/** Resolves with the exit code. */
export async function accept(work: string, filters: string[]): Promise<number> {
  const kvm = await kvmWorks()
  console.log(kvm ? 'machines run on KVM' : 'no KVM works here: machines are emulated, which takes its time')
  const outcomes = await perform(parts(work, kvm, filters), `${project}report/acceptance`)
  writeFileSync(`${project}report/acceptance.xml`, junit(outcomes))
  console.log(`\n${timesTable(outcomes)}`)
  const failed = outcomes.find(({ failure }) => failure !== undefined)
  if (failed === undefined) return 0
  return failed.title === scenarios ? 1 : 2
}

function parts(work: string, kvm: boolean, filters: string[]): Part[] {
  const made = { base: '', container: '', key: '' }
  let boxes: Boxes | undefined
  let sandbox: Sandbox | undefined
  /** `vagrant …` in the sandbox. */
  const vagrant = (log: Log, ...args: string[]) => inside(log, 'vagrant', '--no-color', ...args)
  const lab = (log: Log, verb: string) => inside(log, 'npm', 'run', 'lab', '--', verb, '--backend', 'vagrant')
  const inside = (log: Log, ...command: string[]) => {
    if (!sandbox) throw new Error('libvirt has not been started')
    return log([...sandbox.enter, 'env', '-C', project, ...command], {
      ...sandbox.env,
      MULTIHOST_BOX: 'multihost-lab',
      MULTIHOST_PATIENCE: kvm ? '1' : '8',
    })
  }
  return [
    {
      title: 'base image',
      run: async (log) => {
        made.key = await vagrantKey(log, work)
        made.base = await baseImage(work, (await run('ssh-keygen', ['-y', '-f', made.key])).trim())
      },
    },
    {
      title: 'container image',
      run: async () => {
        made.container = await buildContainerImage()
      },
    },
    {
      title: 'packer build',
      run: async (log) => {
        boxes = await builtBoxes(log, work, { ...made, kvm })
      },
    },
    {
      title: 'libvirt',
      run: async (log) => {
        sandbox = await startLibvirt(work, kvm)
        await vagrant(log, 'validate')
        await vagrant(log, 'box', 'add', '--name', 'multihost-lab', boxes?.libvirt ?? '')
      },
    },
    { title: 'vagrant up', run: async (log) => void (await vagrant(log, 'up')) },
    {
      title: 'a second up changes nothing',
      run: async (log) => expectWords(await vagrant(log, 'up'), 'nothing changed'),
    },
    {
      title: scenarios,
      run: async (log) => {
        await inside(log, 'npm', 'run', 'scenarios', '--', '--backend', 'vagrant', ...filters)
      },
    },
    {
      title: 'whole by every way to ask',
      run: async (log) => {
        expectWords(await vagrant(log, 'ssh', 'net-1', '-c', 'multihost status'), ', connected')
        expectWords(await lab(log, 'status'), 'leader')
        expectWords(await lab(log, 'up'), 'nothing changed')
        expectWords(await vagrant(log, 'provision'), 'nothing changed')
      },
    },
    {
      title: 'one reloaded',
      run: async (log) => expectWords(await vagrant(log, 'reload', 'net-2'), 'nothing changed'),
    },
    {
      title: 'halted, one up alone, then all and whole',
      run: async (log) => {
        await vagrant(log, 'halt')
        expectWords(await vagrant(log, 'up', 'net-1'), 'missing: consul-server, net-2')
        expectWords(await vagrant(log, 'up'), 'nothing changed')
      },
    },
    {
      title: 'one destroyed, then all by lab down',
      run: async (log) => {
        await vagrant(log, 'destroy', '-f', 'net-2')
        expectWords(await lab(log, 'down'), 'is gone')
        expectWords(await lab(log, 'down'), 'is not up')
        const left = await inside(log, 'virsh', 'list', '--all', '--name')
        const volumes = await inside(log, 'virsh', 'vol-list', 'default')
        const names = hosts.map((host) => host.name).filter((name) => `${left}${volumes}`.includes(name))
        if (names.length > 0) throw new LabError(`it left something of ${names.join(', ')}`)
      },
    },
  ]
}

/** The key that boxes let in, which Vagrant writes into its folder at its first command. */
async function vagrantKey(log: Log, work: string): Promise<string> {
  const env = environment(work)
  await log(['vagrant', 'box', 'list'], { ...env, VAGRANT_CWD: work })
  const key = join(work, 'key')
  copyFileSync(join(env.VAGRANT_HOME ?? '', 'insecure_private_key'), key)
  await run('chmod', ['0600', key])
  return key
}

function expectWords(output: string, words: string): void {
  if (output.includes(words)) return
  throw new LabError(`it did not say "${words}"`)
}
