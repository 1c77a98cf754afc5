/**
 * `npm run acceptance`: the lab on virtual machines, from Debian's packages to the replayed scenarios.
 *
 * Installs Vagrant, libvirt, Packer and QEMU where they are missing, makes a base image, builds the box,
 * brings three machines up, replays the scenarios on them and destroys them. Where no KVM works the machines
 * are emulated.
 *
 * The run has namespaces of its own, which end with this process, and one folder, which is removed
 * afterwards. After Ctrl-C, a failure or kill -9 no machine, network, mount or process is left. Exit codes: 0
 * all scenarios passed; 1 a scenario failed; 2 a part before or after the scenarios failed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeAbandonedBuilds } from '../../provision/backends/nspawn/removal.ts'
import { parse } from '../../provision/cli/arguments.ts'
import { cacheRoot } from '../../provision/images/cache.ts'
import { install, type Needs, nspawnNeeds } from '../../provision/images/this-machine.ts'
import { unknown } from '../../provision/process/errors.ts'
import { exitWith } from '../../provision/process/exit.ts'
import { requireRoot } from '../../provision/process/root.ts'
import { ownNamespaces, run } from '../../provision/process/run.ts'
import { accept } from './parts.ts'

const usage = `usage: npm run acceptance -- [--from PART] [FILTER…]

  --from PART   begin at this part, after the parts that prepare its machines
  FILTER        only scenario files whose path contains it; without one, the walkthrough's first two files on libvirt
                and the whole walkthrough on VirtualBox's hardware`

const needs: Needs = {
  ...nspawnNeeds,
  vagrant: '/usr/bin/vagrant',
  'vagrant-libvirt': '/usr/share/doc/vagrant-libvirt',
  'libvirt-daemon-system': '/usr/share/doc/libvirt-daemon-system',
  'libvirt-clients': '/usr/bin/virsh',
  'dnsmasq-base': '/usr/sbin/dnsmasq',
  packer: '/usr/bin/packer',
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'qemu-utils': '/usr/bin/qemu-img',
  'grub-pc-bin': '/usr/lib/grub/i386-pc/boot.img',
  'grub-common': '/usr/bin/grub-mkimage',
  fdisk: '/usr/sbin/sfdisk',
  e2fsprogs: '/usr/sbin/mke2fs',
  'openssh-client': '/usr/bin/ssh-keygen',
}

/** Emulated machines use every free CPU cycle, and this machine may have other work. */
const niceness = 10

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    help: { type: 'boolean' },
    from: { type: 'string' },
    inside: { type: 'string' },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  if (values.inside !== undefined) return accept(values.inside, values.from, positionals)
  requireRoot('acceptance runs')
  if (process.arch !== 'x64') throw unknown('architecture', process.arch, ['x64'])
  await install(needs, (line) => console.log(line))
  await removeAbandonedBuilds()
  setPriority(Math.max(getPriority(), niceness))
  // The name of a build in the cache: were this process killed, the next one to use the cache removes the folder.
  const work = join(cacheRoot, `acceptance.part-${process.pid}`)
  mkdirSync(work, { recursive: true })
  try {
    return await inNamespaces(work, args)
  } finally {
    await run('rm', ['-rf', '--one-file-system', work])
  }
}

/**
 * This script again, in a process namespace: the kernel ends all others with the first. That is a shell,
 * which reaps what daemons leave.
 */
function inNamespaces(work: string, args: string[]): Promise<number> {
  const script = [
    'bash',
    '-c',
    '"$@"; exit $?',
    'bash',
    process.execPath,
    '--import',
    'tsx',
    fileURLToPath(import.meta.url),
    '--inside',
    work,
    ...args,
  ]
  // A process group of its own: Ctrl-C is for this process, which ends that one.
  const child = spawn('setpriv', [...ownNamespaces, ...script], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let asked: NodeJS.Signals | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        asked ??= signal
        end(child)
      })
    }
    child.once('error', reject)
    child.once('exit', (code) => resolve(asked ? 128 + constants.signals[asked] : (code ?? 2)))
  })
}

function end(child: ChildProcess): void {
  child.kill('SIGKILL')
}

exitWith(main(process.argv.slice(2)))
