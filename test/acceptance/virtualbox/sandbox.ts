/**
 * VirtualBox without its kernel modules, for Vagrant: `VBoxManage` in PATH is the real one but for the calls that
 * vboxmanage.mjs answers, and QEMU runs the machines. In a mount and a network namespace of its own, like libvirt.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../provision/process/run.ts'
import { environment, hold, type Sandbox } from '../sandbox.ts'

export async function startVirtualBox(work: string, root: string, kvm: boolean): Promise<Sandbox> {
  const state = join(work, 'virtualbox')
  for (const folder of ['etc', 'etc.work', 'upper', 'upper.work', 'root', 'home'])
    mkdirSync(join(state, folder), { recursive: true })
  writeFileSync(join(state, 'calls'), '')
  const enter = await hold(setUp, [work, root], join(state, 'held'))
  const inRoot = [
    ...enter,
    'chroot',
    join(state, 'root'),
    'env',
    `HOME=${state}/home`,
    `VBOX_USER_HOME=${state}/home`,
  ]
  const virtualBox = async (name: string, ...args: string[]) =>
    run('env', [...inRoot, `/usr/lib/virtualbox/${name}`, ...args])
  // VBoxManage starts the server where none runs, and that one exits when it is idle: a command at that moment fails.
  await virtualBox('VBoxSVC', '--daemonize')
  // At the same path inside and outside of the root, since QEMU opens the disks.
  await virtualBox('VBoxManage', 'setproperty', 'machinefolder', join(state, 'machines'))
  const env = {
    ...environment(work),
    VAGRANT_DOTFILE_PATH: join(work, 'dot-vagrant-virtualbox'),
    VAGRANT_DEFAULT_PROVIDER: 'virtualbox',
    PATH: `${import.meta.dirname}:${process.env.PATH}`,
    VBOX_ROOT: join(state, 'root'),
    VBOX_WORK: state,
    ...(kvm ? { VBOX_ACCEL: 'kvm', VBOX_CPU: 'host' } : {}),
  }
  return { enter, env }
}

/** /etc is a layer on this machine's, for networks.conf, which both Vagrant and VirtualBox read. */
const setUp = `
  work=$1 lower=$2 state=$1/virtualbox
  ip link set dev lo up
  mount -t sysfs sysfs /sys
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$state/etc,workdir=$state/etc.work" /etc
  mkdir -p /etc/vbox
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/upper.work" "$state/root"
  mkdir -p "$state/root/etc/vbox" "$state/root$work"
  for folder in /proc /sys /etc/vbox "$work"; do mount --bind "$folder" "$state/root$folder"; done
  mount --rbind /dev "$state/root/dev"
  : > "$state/held"
  exec sleep infinity`
