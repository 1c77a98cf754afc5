/**
 * The checks of this machine: kernel, programs, engine, Docker's options, underlay. Pure.
 */

import { innerMtu, smallestMtu, smallUnderlay } from '../core/datapath/mtu.ts'
import { familyOf, overlaps } from '../core/ip.ts'
import { lifeOf } from '../core/liveness.ts'
import type { HostName, HostRecord } from '../core/records.ts'
import { peerText, type TunnelState, tunnelProblem } from '../core/tunnels/peers.ts'
import type { EngineFacts, Facts, KernelPart, StandIn } from './facts.ts'
import { failureIn, foundIn } from './facts.ts'
import { type Finding, missing, ok, unknown } from './finding.ts'
import { usualDns } from './options-file.ts'

export const machineChecks: readonly ((facts: Facts) => Finding[])[] = [
  kernel,
  neighbours,
  tools,
  unit,
  engine,
  firewall,
  engineModes,
  dns,
  dataRoot,
  addressPools,
  underlay,
  mtu,
  vxlanPort,
  tunnels,
]

const remedies: Record<KernelPart, string> = {
  namespaces: 'run as root, on a kernel with network namespaces (CONFIG_NET_NS)',
  vxlan: 'load it with modprobe vxlan, or install the kernel’s package of extra modules',
  bridge: 'load it with modprobe bridge',
  veth: 'load it with modprobe veth',
  nf_tables:
    'load nf_tables and nft_fib_inet with modprobe: the filter of tunnel packets needs them; or leave it out with --tunnel-filter=off',
}

const modulesOf = { vxlan: 'vxlan', bridge: 'bridge', veth: 'veth', nf_tables: 'nf_tables and nft_fib_inet' }

/** Before `kernel.modules_disabled`: systemd-modules-load runs before systemd-sysctl. */
function remedyOf(part: Exclude<KernelPart, 'namespaces'>, loadsNoModules: boolean): string {
  if (!loadsNoModules) return remedies[part]
  const file = '/etc/modules-load.d/multihost.conf'
  return `kernel.modules_disabled is 1, and no module is loaded until the next boot: write ${modulesOf[part]} into ${file}, one in a line, and restart this machine`
}

function kernel({ kernel, loadsNoModules, wanted }: Facts): Finding[] {
  const { namespaces } = kernel
  if (namespaces !== undefined)
    return [missing('kernel', `the kernel makes no network namespace: ${namespaces}`, remedies.namespaces)]
  const failed = (['vxlan', 'bridge', 'veth', 'nf_tables'] as const).flatMap((part) => {
    const isNeeded = part !== 'nf_tables' || wanted.filterIsOn
    const words = isNeeded ? kernel[part] : undefined
    return words === undefined
      ? []
      : [missing('kernel', `the kernel refuses ${part}: ${words}`, remedyOf(part, loadsNoModules))]
  })
  if (failed.length > 0) return failed
  const filter = wanted.filterIsOn ? 'veth and nf_tables' : 'and veth'
  return [ok('kernel', `the kernel has network namespaces, vxlan, bridge, ${filter}`)]
}

/** As Swarm's overlay sets them (moby's libnetwork, ostweaks_linux.go). */
const neighbourLimits = { gc_thresh1: 8192, gc_thresh2: 49_152, gc_thresh3: 65_536 }
const enoughNeighbours = 8192

/** One table for the containers of all networks. Full, the kernel sends nothing to a further address. */
function neighbours({ neighbourLimit }: Facts): Finding[] {
  const check = 'neighbour table'
  if (neighbourLimit === undefined)
    return [unknown(check, 'the kernel does not say how many neighbours it keeps')]
  const says = `the kernel keeps up to ${neighbourLimit} neighbours`
  if (neighbourLimit >= enoughNeighbours) return [ok(check, says)]
  const settings = ['ipv4', 'ipv6'].flatMap((family) =>
    Object.entries(neighbourLimits).map(([name, value]) => `net.${family}.neigh.default.${name}=${value}`),
  )
  const hint = `for hosts with many containers: sysctl -w ${settings.join(' ')}`
  return [{ ...ok(check, `${says}, of all containers`), hint }]
}

function tools({ missingTools }: Facts): Finding[] {
  if (missingTools.length === 0) return [ok('programs', 'all programs that the driver runs are in PATH')]
  const says = `the driver runs programs that are not in PATH: ${missingTools.join(', ')}`
  return [missing('programs', says, 'install the packages iproute2, nftables, util-linux and systemd')]
}

function unit({ hasUnit, outOfReach, readOnly }: Facts): Finding[] {
  if ('failed' in hasUnit) return [missing('unit', hasUnit.failed, hasUnit.hint ?? 'start systemd')]
  if (!hasUnit.found)
    return [
      missing('unit', 'multihost.service is not installed', 'install the package or the unit of multihost'),
    ]
  const refused = readOnly.map(({ path, why }) =>
    missing('unit', `${path} cannot be written: ${why}`, byImage),
  )
  if (refused.length + outOfReach.length === 0) return [ok('unit', 'multihost.service is installed')]
  const unreached = outOfReach.map(({ option, place, lacks }) => {
    const where = option.endsWith(`=${place}`) ? '' : `, in ${place}`
    if (lacks === 'sight')
      return missing('unit', `the unit of the driver does not see the place of ${option}${where}`, seenPlaces)
    const dropIn = `systemctl edit multihost, with the lines "[Service]" and "ReadWritePaths=${place}"`
    const hint = `name a folder below /run or /var/lib, or make ${place} and let the unit write there: ${dropIn}`
    return missing('unit', `the unit of the driver cannot write at ${option}${where}`, hint)
  })
  return [...refused, ...unreached]
}

const byImage =
  'make the folder writable, or have MULTIHOST_OPTS in /etc/default/multihost and the start of multihost.service in the image of this machine'

const seenPlaces =
  'put files into /etc/multihost, sockets below /run and state below /var/lib, and name them from there'

function engine({ engine }: Facts): Finding[] {
  const facts = foundIn(engine)
  if (facts === undefined)
    return [
      missing(
        'engine',
        `Docker does not answer: ${failureIn(engine)}`,
        / EACCES\b/.test(failureIn(engine) ?? '')
          ? 'run it as root, or as a member of the group of its socket, mostly docker'
          : 'start Docker, or name its socket with --docker-socket',
      ),
    ]
  const { version, isRootless, standIn } = facts
  if (standIn !== undefined) return [missing('engine', ...standIns[standIn])]
  if (isRootless) {
    const says = 'Docker runs rootless: its containers are in a network namespace of a user'
    return [missing('engine', says, 'use the engine that root runs, and its socket /var/run/docker.sock')]
  }
  if (isOlder(version, 20, 10))
    return [missing('engine', `Docker is ${version}`, 'install Docker 20.10 or later')]
  if (/^29\.0\.[01]\b/.test(version)) {
    const says = `Docker is ${version}, which breaks gateways through docker_gwbridge (moby#51522)`
    return [missing('engine', says, 'install Docker 29.0.2 or later')]
  }
  return [ok('engine', `Docker is ${version}`)]
}

const useDocker = 'install Docker by a package with docker.service, such as docker.io or docker-ce'
const standIns: Record<StandIn, [says: string, hint: string]> = {
  podman: [
    'Podman answers on the socket of Docker: it asks no network driver of Docker’s',
    `${useDocker}, or name its socket with --docker-socket`,
  ],
  snap: [
    'Docker is a snap: its unit is not docker.service, so that it would start before the driver',
    `take the snap's place: ${useDocker}`,
  ],
  desktop: [
    'Docker is Docker Desktop, whose engine runs in a virtual machine of its own',
    `${useDocker}, or name its socket with --docker-socket`,
  ],
}

function isOlder(version: string, major: number, minor: number): boolean {
  const [first = 0, second = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return first < major || (first === major && second < minor)
}

function firewall({ engine }: Facts): Finding[] {
  const facts = foundIn(engine)
  if (facts === undefined)
    return [unknown('firewall', 'Docker does not answer, so its firewall is not known')]
  // Docker's word is `nftables+firewalld` where firewalld runs.
  const { firewall, isForwarding } = facts
  const found = ok('firewall', `Docker keeps its rules in ${firewall}`)
  const hints = [
    ...(isForwarding ? [] : [forwardingIsOff]),
    ...(firewall.endsWith('+firewalld') ? [throughFirewalld] : []),
  ]
  return [{ ...found, ...(hints.length > 0 && { hint: hints.join('; ') }) }]
}

const forwardingIsOff =
  'net.ipv4.ip_forward is 0, so that containers reach each other and nothing outside: sysctl -w net.ipv4.ip_forward=1'
const throughFirewalld =
  'firewalld must let tunnel packets in: firewall-cmd --permanent --add-port=4789/udp; firewall-cmd --reload'

const modes: readonly [check: string, is: (facts: EngineFacts) => boolean, on: string, off: string][] = [
  [
    'swarm',
    ({ inSwarm }) => inSwarm,
    'Docker is in Swarm mode: the docker wrapper translates nothing, and Swarm’s networks use UDP 4789 too',
    'Docker is not in Swarm mode',
  ],
  [
    'userns-remap',
    ({ hasUserns }) => hasUserns,
    'containers have users of their own: the driver writes their hosts files as root',
    'containers share the host’s users',
  ],
  [
    'live-restore',
    ({ isLiveRestore }) => isLiveRestore,
    'containers run on while dockerd restarts',
    'containers stop when dockerd stops',
  ],
]

function engineModes({ engine }: Facts): Finding[] {
  const facts = foundIn(engine)
  return modes.map(([check, is, on, off]) =>
    facts === undefined ? unknown(check, 'Docker does not answer') : ok(check, is(facts) ? on : off),
  )
}

function dns({ docker, wanted: { dnsAddress } }: Facts): Finding[] {
  const options = foundIn(docker)
  if (options === undefined)
    return [
      missing(
        'docker dns',
        `Docker's options cannot be read: ${failureIn(docker)}`,
        ('failed' in docker && docker.hint) || 'correct the file: dockerd does not start with it',
      ),
    ]
  const driversOwn = options.dns.find((address) => address === usualDns)
  if (dnsAddress === undefined) {
    if (driversOwn === undefined)
      return [
        ok('docker dns', 'containers get names of other hosts in their hosts files alone: no --dns-listen'),
      ]
    const says = `Docker sends containers' questions to ${driversOwn}, where the driver would not listen`
    return [
      missing('docker dns', says, `give --dns-listen=${driversOwn}, or remove the address from Docker's dns`),
    ]
  }
  if (options.dns.includes(dnsAddress))
    return [ok('docker dns', `containers ask the driver on ${dnsAddress}`)]
  if (driversOwn !== undefined) {
    const says = `Docker sends containers' questions to ${driversOwn}, and the driver listens on ${dnsAddress}`
    return [missing('docker dns', says, `write one address into both, Docker's dns and --dns-listen`)]
  }
  const says = `containers do not ask the driver on ${dnsAddress} until "dns": ["${dnsAddress}"] is in /etc/docker/daemon.json`
  const behind = "with this host's own resolvers behind it, for the time when the driver is stopped"
  return [ok('docker dns', `${says} (${behind}) and Docker is restarted`)]
}

function dataRoot({ docker }: Facts): Finding[] {
  const options = foundIn(docker)
  if (options === undefined) return [unknown('docker data-root', "Docker's options cannot be read")]
  return [ok('docker data-root', `Docker keeps its data in ${options.dataRoot ?? '/var/lib/docker'}`)]
}

function addressPools({ docker, wanted }: Facts): Finding[] {
  const options = foundIn(docker)
  if (options === undefined) return [unknown('docker address pools', "Docker's options cannot be read")]
  const ours = wanted.addressPools.map((source) => source.replace(/:\d+$/, ''))
  const pairs = options.addressPools.flatMap((theirs) =>
    ours.filter((own) => overlaps(theirs, own)).map((own) => `${theirs} and ${own}`),
  )
  if (pairs.length === 0)
    return [ok('docker address pools', "Docker's bridges and the driver's networks have pools of their own")]
  const says = `Docker's bridges and the driver's networks choose from the same addresses: ${pairs.join(', ')}`
  return [missing('docker address pools', says, 'change default-address-pools of Docker, or --address-pools')]
}

function underlay({ underlay, wanted: { bindInterface } }: Facts): Finding[] {
  if ('failed' in underlay) {
    const { failed, hint = 'name it with --bind-interface, by name or by CIDR' } = underlay
    return [missing('underlay', `the interface of the VTEP is not found: ${failed}`, hint)]
  }
  const { found } = underlay
  const how = bindInterface === undefined ? 'it leads to the store' : `--bind-interface=${bindInterface}`
  return [ok('underlay', `the VTEP is ${found.address} on ${found.device} (${how})`)]
}

function mtu({ underlay, store }: Facts): Finding[] {
  const found = foundIn(underlay)
  if (found === undefined) return [unknown('MTU', 'the interface of the VTEP is not found')]
  const { device, address, mtuBytes } = found
  const small = smallUnderlay(found)
  if (small !== undefined) {
    // A VTEP of IPv6 sends no fragments: packets of networks with IPv6 would be lost.
    if (familyOf(address) === 6 || innerMtu(mtuBytes, address) < smallestMtu.v4)
      return [missing('MTU', small.found, small.hint)]
    const fate = 'networks with IPv6 send longer packets in fragments'
    return [ok('MTU', `${small.found}: ${fate}; to avoid them, ${small.hint}`)]
  }
  const records = (store && foundIn(store.hosts))?.records ?? new Map<HostName, HostRecord>()
  const others = [...records].flatMap(([name, { tunnel }]) =>
    tunnel === undefined ? [] : [{ name, bytes: tunnel.mtuBytes }],
  )
  const smaller = others.filter(({ bytes }) => bytes < mtuBytes).sort((a, b) => a.bytes - b.bytes)[0]
  const limit = smaller && `, ${innerMtu(smaller.bytes, address)} on networks with ${smaller.name}`
  return [
    ok('MTU', `${device} has MTU ${mtuBytes}: containers get ${innerMtu(mtuBytes, address)}${limit ?? ''}`),
  ]
}

function vxlanPort({ vxlanPort }: Facts): Finding[] {
  const found = foundIn(vxlanPort)
  if (found === undefined) return [unknown('UDP 4789', failureIn(vxlanPort) ?? '')]
  const { trial, devices, hasProcess } = found
  const shared = devices.length === 0 ? '' : `, beside ${devices.join(', ')}`
  if (trial === undefined) return [ok('UDP 4789', `the kernel receives VXLAN packets on UDP 4789${shared}`)]
  const holders = [...devices.map((device) => `VXLAN device ${device}`), ...(hasProcess ? ['a process'] : [])]
  const by = holders.length === 0 ? '' : `; it is held by ${holders.join(' and ')}`
  return [
    missing(
      'UDP 4789',
      `the driver cannot use UDP 4789 for VXLAN: ${trial}${by}`,
      "see: ss -ulpn 'sport = :4789', ip -d link show type vxlan",
    ),
  ]
}

function unansweredText(state: TunnelState): string {
  if (state === 'driver-down') return 'up, and its driver is down'
  return state === 'away' ? 'away' : 'not asked: its driver answers no probes'
}

export function tunnels({ tunnels, store }: Pick<Facts, 'tunnels' | 'store'>): Finding[] {
  if (tunnels !== undefined) {
    const found = foundIn(tunnels)
    if (found === undefined) return [unknown('tunnels', failureIn(tunnels) ?? '')]
    if (found.length === 0) return [ok('tunnels', 'no other host is in the cluster')]
    return found.map((status) => {
      const problem = tunnelProblem(status)
      const where = peerText(status)
      if (problem !== undefined) return missing('tunnels', `${where} gives ${problem.found}`, problem.hint)
      if (status.state === 'answers')
        return ok('tunnels', `${where} answers through the tunnel, ${status.probeBytes} bytes both ways`)
      return unknown('tunnels', `${where} is ${unansweredText(status.state)}`)
    })
  }
  const hosts = store && foundIn(store.hosts)
  if (hosts === undefined) return [unknown('tunnels', 'which hosts are in the cluster is not known')]
  const { records, liveness } = hosts
  const isUp = (name: HostName): boolean => lifeOf(name, records.get(name), liveness) === 'alive'
  const up = [...records.keys()].filter((name) => name !== store?.name.name && isUp(name))
  if (up.length === 0) return [ok('tunnels', 'no other host is up in the cluster')]
  const says = `${up.join(', ')} let in and answer tunnel packets of members alone`
  return [
    unknown(
      'tunnels',
      says,
      'multihost join asks them as soon as this host is a member; open UDP 4789 between the hosts',
    ),
  ]
}
