/**
 * The lab by VirtualBox, as far as a machine without its kernel modules can show it: Vagrant, the Vagrantfile
 * and VBoxManage are the real ones, and QEMU runs each machine with the hardware that VBoxManage reports for
 * it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultLab } from '../../../provision/lab/definition.ts'
import { LabError } from '../../../provision/process/errors.ts'
import type { Boxes } from '../box.ts'
import { type Commands, commandsIn, expectFailure, expectWords, timeoutScale } from '../machines.ts'
import { type Log, ofAnEarlierPart, type Part } from '../report.ts'
import { virtualBoxRoot } from './root.ts'
import { startVirtualBox } from './sandbox.ts'

const { hosts, network } = defaultLab()

export const walkthroughTitle = 'virtualbox: the walkthrough'
const sizes = { MULTIHOST_MEMORY: '1024,net-1=1280', MULTIHOST_CPUS: '1,consul-server=2' }

export function virtualBoxParts(
  work: string,
  kvm: boolean,
  filters: readonly string[],
  boxes: () => Boxes,
): Part[] {
  const started = ofAnEarlierPart<Commands>('virtualbox')
  const use = started.get
  return [
    {
      title: 'virtualbox',
      prepares: 'virtualbox',
      usualSeconds: 90,
      run: async (log) => {
        const root = await virtualBoxRoot()
        const sandbox = await startVirtualBox(work, root, kvm)
        const commands = started.set(commandsIn(sandbox, { ...timeoutScale(kvm), ...sizes }))
        await commands.vagrant(log, 'validate')
        await commands.vagrant(log, 'box', 'add', '--name', 'multihost-lab', boxes().virtualbox)
      },
    },
    {
      title: 'virtualbox: without networks.conf',
      prepares: 'virtualbox',
      usualSeconds: 30,
      run: (log) => withoutNetworksConf(log, use()),
    },
    {
      title: 'virtualbox: vagrant up',
      prepares: 'virtualbox',
      usualSeconds: 400,
      run: async (log) => void (await use().vagrant(log, 'up')),
    },
    {
      title: 'virtualbox: machines as the Vagrantfile has them',
      usualSeconds: 20,
      run: async (log) => {
        for (const host of hosts) await expectMachine(log, use(), host)
        expectCalls(readFileSync(join(work, 'virtualbox/calls'), 'utf8'))
      },
    },
    {
      title: walkthroughTitle,
      usualSeconds: 850,
      run: async (log) => void (await use().scenarios(log, filters)),
    },
    {
      title: 'virtualbox: vagrant halt of one machine, then vagrant destroy',
      usualSeconds: 40,
      run: (log) => endMachines(log, use()),
    },
  ]
}

/** VirtualBox refuses the lab's network; `lab doctor` says what to do, and doing it helps. */
async function withoutNetworksConf(log: Log, { vagrant, lab, inside }: Commands): Promise<void> {
  const said = await expectFailure(vagrant(log, 'up', 'net-1', '--no-provision'))
  expectWords(said, 'The IP address configured for the host-only network is not within the')
  const remedy = `mkdir -p /etc/vbox && echo '* ${network}' >> /etc/vbox/networks.conf`
  expectWords(await expectFailure(lab(log, 'doctor')), remedy)
  await inside(log, 'sh', '-c', remedy)
  await vagrant(log, 'destroy', '-f', 'net-1')
}

/** What VBoxManage says of a machine, and what its guest sees. */
async function expectMachine(
  log: Log,
  { inside, vagrant }: Commands,
  { name, address }: { name: string; address: string },
): Promise<void> {
  const info = await inside(log, 'VBoxManage', 'showvminfo', `multihost-${name}`, '--machinereadable')
  const memory = name === 'net-1' ? 1280 : 1024
  const cpus = name === 'consul-server' ? 2 : 1
  expectLines(info, [
    `name="multihost-${name}"`,
    `memory=${memory}`,
    `cpus=${cpus}`,
    'storagecontrollertype0="IntelAhci"',
    'nic1="nat"',
    'nictype1="82540EM"',
    'nic2="hostonly"',
    'hostonlyadapter2="vboxnet0"',
  ])
  expectMatch(info, /^Forwarding\(0\)="ssh,tcp,127\.0\.0\.1,\d+,,22"$/m)
  const medium = /-ImageUUID-0-0"="([^"]+)"/.exec(info)?.[1] ?? ''
  expectMatch(
    await inside(log, 'VBoxManage', 'showmediuminfo', 'disk', medium),
    /^Parent UUID: +[0-9a-f]{8}-/m,
  )
  const seen = await vagrant(log, 'ssh', name, '-c', lookAround)
  const macs = [1, 2].map((slot) =>
    new RegExp(`^macaddress${slot}="(.*)"$`, 'm').exec(info)?.[1]?.toLowerCase(),
  )
  expectLines(seen, [
    'eth0 e1000 10.0.2.15/24',
    `eth1 e1000 ${address}/24`,
    `macs ${macs.join(' ')}`,
    'root /dev/sda1',
    'virtio 0',
    'mtu 1500 1500',
  ])
}

const lookAround = `for card in eth0 eth1; do
  echo $card $(basename $(readlink /sys/class/net/$card/device/driver)) $(ip -4 -o address show $card | awk '{ print $4 }' | head -n 1)
done
echo macs $(cat /sys/class/net/eth0/address /sys/class/net/eth1/address | tr -d :)
echo root $(findmnt -no SOURCE /)
echo virtio $(ls /sys/bus/virtio/devices 2> /dev/null | wc -l)
echo mtu $(cat /sys/class/net/eth0/mtu /sys/class/net/eth1/mtu)`

/** So far two kinds of calls were answered; all others are VirtualBox's own. */
function expectCalls(calls: string): void {
  const answered = calls.match(/^answered \S+( \S*create)?/gm) ?? []
  const kinds = [...new Set(answered)].sort()
  const known = ['answered hostonlyif create', 'answered startvm']
  if (kinds.join() !== known.join())
    throw new LabError(`answered calls are ${kinds.join(', ')}, and expected were ${known.join(', ')}`)
  expectMatch(calls, /^real import /m)
  expectMatch(calls, /^real clonevm .*--options link/m)
  expectMatch(calls, /^real hostonlyif ipconfig vboxnet0 --ip 192\.168\.33\.1 /m)
}

async function endMachines(log: Log, { vagrant, inside }: Commands): Promise<void> {
  await vagrant(log, 'halt', 'net-2')
  const info = await inside(log, 'VBoxManage', 'showvminfo', 'multihost-net-2', '--machinereadable')
  expectLines(info, ['VMState="poweroff"'])
  await vagrant(log, 'destroy', '-f')
  const left = await inside(log, 'VBoxManage', 'list', 'vms')
  const names = hosts.map((host) => `multihost-${host.name}`).filter((name) => left.includes(name))
  if (names.length > 0) throw new LabError(`VirtualBox still has ${names.join(', ')}`)
}

function expectLines(text: string, lines: readonly string[]): void {
  const said = text.split('\n').map((line) => line.trim())
  const missing = lines.filter((line) => !said.includes(line))
  if (missing.length > 0)
    throw new LabError(`the output lacks ${missing.map((line) => `"${line}"`).join(', ')}`)
}

function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new LabError(`the output does not match ${pattern}`)
}
