/**
 * VirtualBox without its kernel modules, for Vagrant: `VBoxManage` in PATH is the real one but for the calls
 * that vboxmanage.mjs answers, and QEMU runs the machines. In a mount and a network namespace of its own,
 * like libvirt.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../provision/process/run.ts'
import { environment, hold, type Sandbox, writeVagrantSettings } from '../sandbox.ts'

export async function startVirtualBox(work: string, root: string, kvm: boolean): Promise<Sandbox> {
  const state = join(work, 'virtualbox')
  for (const folder of ['etc', 'etc.work', 'upper', 'upper.work', 'root', 'home'])
    mkdirSync(join(state, folder), { recursive: true })
  writeFileSync(join(state, 'calls'), '')
  writeVagrantSettings(work, kvm)
  const enter = await hold(setUp, [work, root], join(state, 'held'))
  const home = [`HOME=${state}/home`, `VBOX_USER_HOME=${state}/home`]
  const [nsenter = '', ...inRoot] = [
    ...enter,
    'chroot',
    join(state, 'root'),
    'env',
    ...home,
    'sh',
    '-ec',
    serve,
  ]
  await run(nsenter, [...inRoot, 'sh', join(state, 'machines')])
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

/**
 * A server that VBoxManage starts exits when it is idle, and a command at that moment fails; this one stays.
 * Its exit code is 126 although it runs. The machines are at the same path inside and outside of the root,
 * since QEMU opens the disks.
 */
const serve = `
  /usr/lib/virtualbox/VBoxSVC --daemonize || [ $? = 126 ]
  /usr/lib/virtualbox/VBoxManage setproperty machinefolder "$1"`

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
