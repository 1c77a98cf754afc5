/**
 * `VBoxManage` for a machine without VirtualBox's kernel modules: the real one, but for the calls that need
 * them.
 *
 * The real VBoxManage has the machines: import, clone, settings, networks. A call that starts a machine
 * starts QEMU with the hardware that the real one reports for it: memory, CPUs, the disk on AHCI, each
 * network card an e1000 with its MAC, NAT with its forwarded ports, host-only networks as bridges. Answered
 * here are `hostonlyif create` and `remove`, `startvm`, `controlvm … poweroff`, and the state in `showvminfo`
 * while QEMU runs. Every call is recorded in CALLS as one line, which begins with the word `real` or
 * `answered`.
 *
 * Environment: VBOX_ROOT, a folder with VirtualBox's Debian; VBOX_WORK, a folder that is at the same path in
 * VBOX_ROOT; VBOX_ACCEL and VBOX_CPU, QEMU's accelerator and CPU model.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const { VBOX_ROOT = '', VBOX_WORK = '', VBOX_ACCEL = 'tcg', VBOX_CPU = 'qemu64,+rdrand' } = process.env
const args = process.argv.slice(2)

function main() {
  const [command, name = '', verb] = args
  if (command === 'hostonlyif' && name === 'create') return answer(createHostOnly)
  if (command === 'hostonlyif' && name === 'remove') return answer(() => ip('link', 'delete', verb))
  if (command === 'startvm') return answer(() => start(name))
  if (command === 'controlvm' && verb === 'poweroff') return answer(() => powerOff(name))
  record('real')
  const { status, stdout, stderr } = vboxManage(args)
  process.stderr.write(stderr)
  process.stdout.write(command === 'showvminfo' ? withState(stdout) : stdout)
  return status ?? 1
}

function answer(what) {
  record('answered')
  const said = what()
  if (said) console.log(said)
  return 0
}

function record(how) {
  appendFileSync(join(VBOX_WORK, 'calls'), `${how} ${args.join(' ')}\n`)
}

/**
 * One call at a time: of two at once, one fails now and then ("The session is not locked") where the server
 * is slow.
 */
function vboxManage(words) {
  const env = [`HOME=${VBOX_WORK}/home`, `VBOX_USER_HOME=${VBOX_WORK}/home`, 'LANG=C.UTF-8']
  const inRoot = [VBOX_ROOT, 'env', ...env, '/usr/lib/virtualbox/VBoxManage', ...words]
  return spawnSync('flock', ['--close', join(VBOX_WORK, 'lock'), 'chroot', ...inRoot], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
}

function ask(...words) {
  const { status, stdout, stderr } = vboxManage(words)
  if (status === 0) return stdout
  throw new Error(`VBoxManage ${words.join(' ')}: ${stderr}`)
}

/** What `showvminfo --machinereadable` says of a machine, by key. */
function infoOf(machine) {
  const lines = ask('showvminfo', machine, '--machinereadable').split('\n')
  return new Map(lines.map((line) => /^"?([^="]+)"?="?(.*?)"?$/.exec(line)?.slice(1, 3) ?? ['', '']))
}

/** The kernel lists a bridge by this name as it does VirtualBox's own device, and so does the real VBoxManage. */
function createHostOnly() {
  const taken = readFileSync('/proc/net/dev', 'utf8')
  const number = [...Array(10).keys()].find((each) => !taken.includes(`vboxnet${each}:`))
  ip('link', 'add', `vboxnet${number}`, 'address', `0a:00:27:00:00:0${number}`, 'type', 'bridge')
  return `0%...100%\nInterface 'vboxnet${number}' was successfully created`
}

function start(machine) {
  const info = infoOf(machine)
  const uuid = info.get('UUID')
  const disk = ['-drive', `if=none,id=disk,format=qcow2,cache=unsafe,file=${diskOf(info)}`]
  const hardware = [
    ...[
      '-machine',
      'pc',
      '-accel',
      VBOX_ACCEL,
      '-cpu',
      VBOX_CPU,
      '-m',
      info.get('memory'),
      '-smp',
      info.get('cpus'),
    ],
    ...['-device', 'ich9-ahci,id=ahci', ...disk, '-device', 'ide-hd,drive=disk,bus=ahci.0'],
    ...[1, 2, 3, 4].flatMap((slot) => cardOf(info, slot)),
  ]
  const files = [
    '-pidfile',
    pidFile(uuid),
    '-serial',
    `file:${join(VBOX_WORK, `${info.get('name')}.console`)}`,
  ]
  execFileSync('qemu-system-x86_64', [...hardware, '-nodefaults', '-display', 'none', '-daemonize', ...files])
  return `VM "${info.get('name')}" has been successfully started.`
}

/** A layer on the image that the machine is a linked clone of. What the clone itself has on its disk is empty. */
function diskOf(info) {
  const layer = join(VBOX_WORK, `${info.get('UUID')}.qcow2`)
  if (existsSync(layer)) return layer
  const [, medium] = [...info].find(([key]) => /-ImageUUID-0-0$/.test(key)) ?? []
  const parent = field(ask('showmediuminfo', 'disk', medium), 'Parent UUID')
  const image = field(ask('showmediuminfo', 'disk', parent), 'Location')
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'vmdk', '-b', image, layer])
  return layer
}

function field(text, name) {
  return new RegExp(`^${name}:\\s*(\\S.*)$`, 'm').exec(text)?.[1] ?? ''
}

function cardOf(info, slot) {
  const kind = info.get(`nic${slot}`)
  if (kind === undefined || kind === 'none') return []
  const mac = info.get(`macaddress${slot}`).replace(/..(?!$)/g, '$&:')
  const backend = kind === 'nat' ? nat(info) : hostOnly(info.get(`hostonlyadapter${slot}`), mac)
  return ['-netdev', `${backend},id=net${slot}`, '-device', `e1000,netdev=net${slot},mac=${mac}`]
}

/** QEMU's user network has VirtualBox's addresses: the machine is 10.0.2.15, its gateway 10.0.2.2. */
function nat(info) {
  const rules = [...info].filter(([key]) => key.startsWith('Forwarding(')).map(([, rule]) => rule.split(','))
  return [
    'user',
    ...rules.map(([, protocol, at, port, to, toPort]) => `hostfwd=${protocol}:${at}:${port}-${to}:${toPort}`),
  ].join(',')
}

function hostOnly(network, mac) {
  const tap = `vt${mac.replaceAll(':', '').slice(-8)}`
  if (!existsSync(`/sys/class/net/${tap}`)) ip('tuntap', 'add', tap, 'mode', 'tap')
  ip('link', 'set', tap, 'master', network, 'up')
  return `tap,ifname=${tap},script=no,downscript=no`
}

function powerOff(machine) {
  const uuid = infoOf(machine).get('UUID')
  const pid = pidOf(uuid)
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
  rmSync(pidFile(uuid), { force: true })
}

function withState(info) {
  const uuid = /^UUID(?:="|:\s+)([0-9a-f-]+)/m.exec(info)?.[1] ?? ''
  return pidOf(uuid) === undefined ? info : info.replace(/^VMState="\w+"/m, 'VMState="running"')
}

function pidFile(uuid) {
  return join(VBOX_WORK, `${uuid}.pid`)
}

/** The process of the machine, while it runs. */
function pidOf(uuid) {
  if (!existsSync(pidFile(uuid))) return undefined
  const pid = Number(readFileSync(pidFile(uuid), 'utf8'))
  return existsSync(`/proc/${pid}`) ? pid : undefined
}

function ip(...words) {
  execFileSync('ip', words)
}

process.exitCode = main()
