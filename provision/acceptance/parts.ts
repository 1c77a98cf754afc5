/**
 * What the acceptance run does, in order; read it as the procedure.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError } from '../errors.ts'
import { hosts } from '../hosts.ts'
import { buildContainerImage } from '../nspawn/image.ts'
import { run } from '../nspawn/run.ts'
import { baseImage } from './base-image.ts'
import { junit, type Log, type Part, perform, timesTable } from './report.ts'
import { environment, kvmWorks, type Sandbox, startLibvirt } from './sandbox.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const scenarios = 'scenarios on the machines'
/** Packer 1.7 and newer need plugins.pkr.hcl too, and a network to fetch what it names; Debian's does not parse it. */
const templates = ['lab.pkr.hcl', 'variables.pkr.hcl']

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
  const box = join(work, 'boxes/multihost-lab-libvirt.box')
  const made = { base: '', container: '', key: '' }
  let sandbox: Sandbox | undefined
  /** `vagrant …` in the sandbox. */
  const vagrant = (log: Log, ...args: string[]) => inside(log, 'vagrant', '--no-color', ...args)
  const inside = (log: Log, ...command: string[]) => {
    if (!sandbox) throw new Error('libvirt has not been started')
    return log([...sandbox.enter, 'env', '-C', project, ...command], {
      ...sandbox.env,
      MULTIHOST_BOX: 'multihost-lab',
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
        await packer(log, work, { ...made, kvm })
      },
    },
    {
      title: 'libvirt',
      run: async (log) => {
        sandbox = await startLibvirt(work, kvm)
        await vagrant(log, 'validate')
        await vagrant(log, 'box', 'add', '--name', 'multihost-lab', box)
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
      title: 'halted, one up alone, then all and whole',
      run: async (log) => {
        await vagrant(log, 'halt')
        expectWords(await vagrant(log, 'up', 'net-1'), 'missing: consul-server, net-2')
        expectWords(await vagrant(log, 'up'), 'nothing changed')
      },
    },
    {
      title: 'vagrant destroy',
      run: async (log) => {
        await vagrant(log, 'destroy', '-f')
        const left = await inside(log, 'virsh', 'list', '--all', '--name')
        const volumes = await inside(log, 'virsh', 'vol-list', 'default')
        const names = hosts.map((host) => host.name).filter((name) => `${left}${volumes}`.includes(name))
        if (names.length > 0) throw new LabError(`vagrant destroy left something of ${names.join(', ')}`)
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

async function packer(
  log: Log,
  work: string,
  { base, container, key, kvm }: { base: string; container: string; key: string; kvm: boolean },
): Promise<void> {
  const folder = join(work, 'templates')
  mkdirSync(folder, { recursive: true })
  for (const file of templates) copyFileSync(`${project}provision/packer/${file}`, join(folder, file))
  const emulated = kvm ? {} : { accelerator: 'tcg', cpu_model: 'qemu64,+rdrand', ssh_timeout: '30m' }
  const variables = {
    qemu_image: base,
    ssh_key: key,
    output: join(work, 'boxes'),
    work: join(work, 'packer'),
    ...emulated,
  }
  const options = Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`])
  const env = { ...environment(work), MULTIHOST_IMAGE: container }
  const packed = ['-only=qemu.lab', ...options, folder]
  await log(['packer', 'fmt', '-check', folder], env)
  await log(['env', '-C', project, 'packer', 'validate', ...packed], env)
  await log(['env', '-C', project, 'packer', 'build', '-color=false', '-timestamp-ui', ...packed], env)
}

function expectWords(output: string, words: string): void {
  if (output.includes(words)) return
  throw new LabError(`it did not say "${words}"`)
}
