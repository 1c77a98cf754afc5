/**
 * The real kernel, through iproute2: one process per batch, moved into its namespace by nsenter and started
 * by a long-lived shell.
 *
 * Processes and not netlink: Node has no netlink, `ip` costs 3 ms, and every command can be repeated by hand.
 * A bind mount in a private mount namespace (systemd's ProtectSystem) is invisible to other processes, so
 * namespaces are created and removed in the mount namespace of PID 1. Needs CAP_NET_ADMIN, CAP_SYS_ADMIN,
 * CAP_SYS_CHROOT and CAP_SYS_PTRACE.
 */
import { mkdir, open, readdir, readFile, readlink, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { askedOnce } from '../core/asked-once.ts'
import { isEntryOp, type Observed, type Op } from '../core/datapath/datapath.ts'
import { namespaceFolder } from '../core/datapath/desired.ts'
import { vxlanDifference } from '../core/datapath/plan.ts'
import { showOp } from '../core/datapath/show.ts'
import { DriverError } from '../core/errors.ts'
import type { ForeignVxlan } from '../core/records.ts'
import { type Log, silentLog } from '../log.ts'
import type { Kernel, Refusal } from './kernel.ts'
import { type Line, type Step, stepsFor } from './lines.ts'
import {
  addressesIn,
  isOurNamespace,
  type LinkEnd,
  linkEndsIn,
  observed,
  strayLinksIn,
  vxlansIn,
} from './parse.ts'
import { namespaceInode, namespacesOfProcesses } from './process-namespaces.ts'
import { redirectPort, removeRedirect } from './redirect.ts'
import { routeReader } from './routes.ts'
import { type Failure, failuresOf, type Run, runner } from './run-command.ts'
import type { Outcome } from './shell.ts'
import { keepFilter } from './tunnel-filter.ts'
import { type KernelWatch, type Watched, watchNamespace, watchRules } from './watch.ts'

export interface RealKernelOptions {
  /** Folder of the namespaces. */
  folder?: string
  /** The network namespace of the host; the driver's own when absent. */
  hostNamespace?: string
  /** The mount namespace that all processes see: PID 1's. */
  mountNamespace?: string
  /** Limit of one process. */
  timeoutMs?: number
  /** Called after every change, with its commands. */
  changed?: (what: string) => void
  log?: Pick<Log, 'warn'>
}

export function realKernel({
  folder = namespaceFolder,
  hostNamespace,
  mountNamespace = '/proc/1/ns/mnt',
  timeoutMs = 10_000,
  changed = () => undefined,
  log = silentLog,
}: RealKernelOptions): Kernel {
  const { run, close } = runner(timeoutMs)
  const host = hostNamespace === undefined ? [] : ['nsenter', `--net=${hostNamespace}`]
  const hostPath = hostNamespace ?? `/proc/${process.pid}/ns/net`
  const machine: Machine = {
    run,
    hostPath,
    enter: (where) => (where === 'host' ? host : ['nsenter', `--net=${where}`]),
    mounts: askedOnce(() => mountsPrefix(mountNamespace)).get,
    changed,
    log,
  }
  const runOnHost = async (args: string): Promise<string> =>
    text(await run([...host, 'ip', '-j', ...args.split(' ')]))

  return {
    observe: (namespace) => observe(machine, namespace),
    namespaces: () => marked(machine, folder),
    strayLinks: async () => strayLinksIn(await runOnHost('-d link show')),
    async apply(ops) {
      const refusals: Refusal[] = []
      for (const step of stepsFor(ops, hostPath)) refusals.push(...(await perform(machine, step)))
      return refusals
    },
    routes: routeReader((family) => runOnHost(`${family} route show table main`)),
    foreignVxlans: () => foreignVxlans(machine, folder),
    addresses: async () => addressesIn(await runOnHost('address show')),
    redirect: (of) => redirectPort(run, host, of),
    removeRedirect: (of) => removeRedirect(run, host, of),
    watch(where, told, flooded = () => undefined) {
      const what: Watched[] = where === 'host' ? ['link', 'address'] : ['link', 'neigh']
      return watchNamespace(machine.enter(where), what, told, flooded)
    },
    remount: (namespace, watch) => remount(machine, namespace, watch),
    watchRules: (told) => watchRules(host, told),
    tunnelFilter: (wanted) => keepFilter(run, host, wanted),
    close: async () => close(),
  }
}

interface Machine {
  run: Run
  /** Path of the host's network namespace. */
  hostPath: string
  /** Prefix of a command that runs in that namespace. */
  enter(where: string): string[]
  /** Prefix of a command that mounts or unmounts. */
  mounts(): Promise<string[]>
  changed(what: string): void
  log: Pick<Log, 'warn'>
}

async function observe({ run, enter }: Machine, namespace: string): Promise<Observed | undefined> {
  if (!(await isNamespace(namespace))) return undefined
  for (let attempt = 1; ; attempt++) {
    const [ip, bridge] = await Promise.all([
      run([...enter(namespace), 'ip', '-j', '-d', '-batch', '-'], 'link show\nneigh show\n'),
      run([...enter(namespace), 'bridge', '-j', 'fdb', 'show']),
    ])
    // The table changed while it was read: the output may be incomplete.
    const torn = /interrupted/.test(ip.stderr + bridge.stderr)
    if (!torn) return observed(text(ip), text(bridge))
    if (attempt === 5) throw new DriverError('kernel', `${namespace}: ${ip.stderr}${bridge.stderr}`)
  }
}

/** Docker keeps the containers' namespaces in the same folder: only names of our form are entered. */
async function marked(machine: Machine, folder: string): Promise<string[]> {
  const names = (await entriesOf(folder)).filter((name) => /^[0-9a-f]{12}$/.test(name))
  const found: string[] = []
  for (const path of names.map((name) => `${folder}/${name}`)) {
    if (await isOurs(machine, path)) found.push(path)
  }
  return found
}

async function isOurs({ run, enter }: Machine, path: string): Promise<boolean> {
  if (!(await isNamespace(path))) return false
  const { code, stdout } = await run([...enter(path), 'ip', '-j', 'link', 'show'])
  // A namespace that cannot be read is not treated as ours.
  return code === 0 && isOurNamespace(stdout)
}

/** `1-0123456789`: a number and the start of the network's id (moby's drivers/overlay/ov_network.go). */
const ofSwarm = /^\d+-/

/** Swarm makes a device in the host's namespace, where its socket stays. */
async function foreignVxlans({ run, enter }: Machine, folder: string): Promise<ForeignVxlan[]> {
  const names = (await entriesOf(folder)).filter((name) => ofSwarm.test(name))
  const found: ForeignVxlan[] = []
  for (const where of ['host', ...names.map((name) => `${folder}/${name}`)]) {
    const shown = await run([...enter(where), 'ip', '-j', '-d', 'link', 'show', 'type', 'vxlan'])
    const isGone = shown.code !== 0 && where !== 'host' && !(await isNamespace(where))
    if (!isGone) found.push(...vxlansIn(text(shown)))
  }
  return found
}

async function perform(machine: Machine, step: Step): Promise<Refusal[]> {
  if (step.kind === 'remove') {
    await remove(machine, step)
    return []
  }
  if (step.kind === 'mtu') {
    await setContainerMtu(machine, step)
    return []
  }
  const { tool, where, lines, create } = step
  if (where === 'host' || (await isNamespace(where)))
    return batch(machine, [...machine.enter(where), tool], step)
  if (create) {
    await touch(where)
    return batch(machine, [...(await machine.mounts()), 'unshare', `--net=${where}`, tool], step)
  }
  const needed = lines.find((line) => !line.alreadyDone?.test('No such file or directory'))
  if (needed !== undefined) throw refused(needed.op, `namespace ${where} does not exist`)
  return []
}

/**
 * The container ends are in namespaces that Docker has made, mostly beside ours. Each is found by the index
 * of its other end and its MAC, and not by a name: Docker renames it. Ends that are in no namespace of the
 * folder are looked for in those of the machine's processes.
 */
async function setContainerMtu(
  machine: Machine,
  { op, namespace }: Extract<Step, { kind: 'mtu' }>,
): Promise<void> {
  const links = new Map((await linksIn(machine, namespace)).map((it) => [it.name, it]))
  const left = new Set(op.veths.filter(({ port }) => links.has(port)))
  const setIn = async (path: string): Promise<void> => {
    const ends = (await linksIn(machine, path)).filter((end) => {
      const veth = [...left].find(({ port, mac }) => end.mac === mac && areOnePair(links.get(port), end))
      return veth !== undefined && left.delete(veth)
    })
    if (ends.length === 0) return
    const input = ends.map(({ name }) => `link set ${name} mtu ${op.mtuBytes}\n`).join('')
    const { code, stderr } = await machine.run([...machine.enter(path), 'ip', '-batch', '-'], input)
    const isGone = /Cannot find device/.test(stderr) || (path !== 'host' && !(await isNamespace(path)))
    if (code !== 0 && !isGone) throw refused(op, stderr.trim())
    machine.changed(`${path}: ${input.trim()}`)
  }
  const folder = dirname(namespace)
  const paths = (await entriesOf(folder)).map((name) => `${folder}/${name}`)
  for (const path of [...paths.filter((it) => it !== namespace), 'host'])
    if (path === 'host' || (await isNamespace(path))) await setIn(path)
  if (left.size === 0) return
  const known = new Set(await Promise.all([...paths, machine.hostPath].map(namespaceInode)))
  for await (const path of namespacesOfProcesses(known)) {
    await setIn(path)
    if (left.size === 0) return
  }
  const ports = [...left].map(({ port }) => port)
  machine.log.warn(
    { namespace, ports, mtuBytes: op.mtuBytes },
    'container ends were not found, and keep their MTU',
  )
}

async function linksIn(machine: Machine, where: string): Promise<LinkEnd[]> {
  const { code, stdout } = await machine.run([...machine.enter(where), 'ip', '-j', 'link', 'show'])
  return code === 0 ? linkEndsIn(stdout) : []
}

function areOnePair(a: LinkEnd | undefined, b: LinkEnd): boolean {
  return a?.otherIndex === b.index && a.index === b.otherIndex
}

type Batch = Extract<Step, { kind: 'batch' }>

async function batch(machine: Machine, command: string[], step: Batch): Promise<Refusal[]> {
  const refusals = await runBatch(machine, command, step)
  machine.changed(step.lines.map(({ text }) => text).join('; '))
  return againWithIpv6(machine, command.at(-1) ?? 'ip', step, refusals)
}

/** The kernel's words for a neighbour on a device whose `disable_ipv6` is 1 (net/ipv6/ndisc.c, ndisc_allow_add). */
const ipv6IsDisabled = /IPv6 is disabled on this device/

/**
 * A machine may disable IPv6 on each new interface (the kernel's parameter `ipv6.disable_ipv6`, or
 * `devconf_inherit_init_net`), or on those that are there. A network has IPv6 because a person asked for it,
 * and vxlan1 has no address of its own: IPv6 is enabled there, and what was refused is tried once more.
 */
async function againWithIpv6(
  machine: Machine,
  tool: string,
  step: Batch,
  refusals: Refusal[],
): Promise<Refusal[]> {
  const disabled = new Set(refusals.filter(({ words }) => ipv6IsDisabled.test(words)).map(({ op }) => op))
  if (disabled.size === 0) return refusals
  const enter = machine.enter(step.where)
  const enable = 'echo 0 > /proc/sys/net/ipv6/conf/vxlan1/disable_ipv6'
  if ((await machine.run([...enter, 'sh', '-c', enable])).code !== 0) return refusals
  machine.changed(enable)
  const lines = step.lines.filter(({ op }) => disabled.has(op))
  const again = await runBatch(machine, [...enter, tool], { ...step, lines })
  return [...refusals.filter(({ op }) => !disabled.has(op)), ...again]
}

async function runBatch(machine: Machine, command: string[], { where, lines }: Batch): Promise<Refusal[]> {
  const refusals: Refusal[] = []
  const outcome = await machine.run(
    [...command, '-force', '-batch', '-'],
    `${lines.map((it) => it.text).join('\n')}\n`,
  )
  for (const failure of failuresOf(outcome)) {
    if (failure.line === undefined) return narrow(machine, where, lines, failure, command.at(-1) ?? 'ip')
    const line = lines[failure.line]
    if (line === undefined || line.alreadyDone?.test(failure.words)) continue
    if (line.op.op === 'vxlan-add' && (await alreadyExists(machine, line.op, failure.words))) continue
    refusals.push(refusalOf(line.op, failure.words))
  }
  return refusals
}

/** Throws for what is not the problem of one entry alone. */
function refusalOf(op: Op, words: string): Refusal {
  if (isEntryOp(op) && !isDeviceMissing(words)) return { op, words }
  throw refused(op, words)
}

/** The kernel's words when vxlan1 or its namespace was removed by hand: no entry of it can be made. */
function isDeviceMissing(words: string): boolean {
  return /Cannot find device|No such device|does not exist/.test(words)
}

/**
 * The process ended at a line that it does not name: find the line by halving. Lines before it are applied
 * again, which changes nothing.
 */
async function narrow(
  machine: Machine,
  where: string,
  lines: Line[],
  failure: Failure,
  tool: string,
): Promise<Refusal[]> {
  const [first] = lines
  if (first === undefined) return []
  if (lines.length === 1) {
    return first.alreadyDone?.test(failure.words) ? [] : [refusalOf(first.op, failure.words)]
  }
  const refusals: Refusal[] = []
  const middle = Math.ceil(lines.length / 2)
  for (const half of [lines.slice(0, middle), lines.slice(middle)]) {
    const step: Batch = {
      kind: 'batch',
      tool: tool === 'bridge' ? 'bridge' : 'ip',
      where,
      create: false,
      lines: half,
    }
    refusals.push(...(await batch(machine, [...machine.enter(where), tool], step)))
  }
  return refusals
}

/** The kernel reports that the device exists. If it is ours and as wanted, that is a success. */
async function alreadyExists(
  machine: Machine,
  op: Extract<Op, { op: 'vxlan-add' }>,
  words: string,
): Promise<boolean> {
  if (!/exists/i.test(words)) return false
  const have = (await observe(machine, op.namespace))?.vxlan
  if (have === undefined) {
    throw refused(
      op,
      words,
      `another device of this host holds VNI ${op.vxlan.vni} on port ${op.vxlan.port}; \
find it with 'ip -d link show type vxlan', here and in the namespaces under ${dirname(op.namespace)}`,
    )
  }
  const difference = vxlanDifference(have, op.vxlan)
  if (difference !== undefined) throw refused(op, `${words} (${difference})`)
  return true
}

/**
 * The VXLAN device is removed first: a namespace ends some time after its last user, and until then its VNI
 * stays in use.
 */
async function remove(machine: Machine, { op, namespace }: Extract<Step, { kind: 'remove' }>): Promise<void> {
  if (!(await isNamespace(namespace))) return
  if (!(await isOurs(machine, namespace))) {
    throw refused(
      op,
      `the namespace ${namespace} is not the driver's: its loopback does not carry the driver's mark, or it is a container's`,
      'remove it by hand if it is not needed',
    )
  }
  await perform(
    machine,
    stepsFor([{ op: 'vxlan-del', namespace }], '')[0] ?? { kind: 'remove', op, namespace },
  )
  const unmount = ['sh', '-c', 'umount -l "$0" && rm -f "$0"', namespace]
  const { code, stderr } = await machine.run([...(await machine.mounts()), ...unmount])
  if (code !== 0) throw refused(op, stderr.trim())
  machine.changed(`netns del ${namespace}`)
}

/** A watch that has not entered the namespace yet holds none of ours: the mark tells. */
async function remount(machine: Machine, namespace: string, watch: KernelWatch): Promise<boolean> {
  if (watch.pid === undefined || !watch.isAlive()) return false
  const held = `/proc/${watch.pid}/ns/net`
  if (!isOurNamespace(text(await machine.run([...machine.enter(held), 'ip', '-j', 'link', 'show']))))
    return false
  await touch(namespace)
  text(await machine.run([...(await machine.mounts()), 'mount', '--bind', held, namespace]))
  machine.changed(`mount --bind ${held} ${namespace}`)
  return true
}

/** True when a network namespace is mounted there, not only its empty file. */
async function isNamespace(path: string): Promise<boolean> {
  const nsfs = 0x6e736673
  try {
    return (await statfs(path)).type === nsfs
  } catch (cause) {
    if (isAbsent(cause)) return false
    throw new DriverError('kernel', `${path} cannot be examined`, { cause })
  }
}

async function touch(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await (await open(path, 'a', 0o444)).close()
  } catch (cause) {
    throw new DriverError('kernel', `${path} cannot be created`, { cause })
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if (isAbsent(cause)) return []
    throw new DriverError('kernel', `${folder} cannot be listed`, { cause })
  }
}

/** Empty when the driver is in that mount namespace itself. */
async function mountsPrefix(common: string): Promise<string[]> {
  try {
    const [own, theirs] = await Promise.all([readlink('/proc/self/ns/mnt'), readlink(common)])
    return own === theirs ? [] : ['nsenter', `--mount=${common}`]
  } catch (cause) {
    // A namespace that is mounted in a private copy would end with the driver, and all its traffic.
    if (!(await isPrivateCopy())) return []
    throw new DriverError(
      'kernel',
      `${common} cannot be read, and the driver's own mounts are a private copy`,
      {
        hint: 'give the unit CAP_SYS_PTRACE, or no setting that makes a mount namespace (ProtectSystem, PrivateTmp, …)',
        cause,
      },
    )
  }
}

/** systemd makes the copy a slave of the original (systemd.exec(5), MountFlags). */
async function isPrivateCopy(): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  const root = mounts.split('\n').find((line) => line.split(' ')[4] === '/')
  return / master:\d+ /.test(root ?? '')
}

function refused(op: Op, words: string, hint = hintFor(op, words)): DriverError {
  const message = `${showOp(op)}: ${words}`
  return new DriverError('kernel', message, { hint, cause: { op } })
}

/** The kernel opens the port when vxlan1 is set up, after the line that names the port. */
function hintFor(op: Op, words: string): string | undefined {
  if (op.op !== 'vxlan-add' || !/Address already in use/.test(words)) return undefined
  const { port } = op.vxlan
  return `UDP port ${port} of this host is another program's, or a VXLAN device's of another kind: see ss -ulpn 'sport = :${port}' and ip -d link show type vxlan; create the network with another one, -o port=PORT`
}

function text({ code, stdout, stderr }: Outcome): string {
  if (code === 0) return stdout
  throw new DriverError('kernel', stderr.trim() || `exit code ${code}`)
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
