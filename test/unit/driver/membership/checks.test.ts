/** Each branch of the checks: which facts are missing, which are unknown, and what to do. */
import { expect, test } from 'vitest'
import type { TunnelStatus } from '../../../../driver/core/tunnels/peers.ts'
import { findingsOf } from '../../../../driver/membership/doctor.ts'
import type { EngineFacts, Facts, StoreFacts } from '../../../../driver/membership/facts.ts'
import { showFindings } from '../../../../driver/membership/finding.ts'
import { facts, hosts, store } from './facts.sample.ts'

const dayMs = 86_400_000

/** The lines of one check, or of all that are not ok. */
function lines(changed: Partial<Facts>, check?: string): string {
  const all = findingsOf({ ...facts, ...changed })
  return showFindings(all.filter((it) => (check === undefined ? it.state !== 'ok' : it.check === check)))
}
const withEngine = (changed: Partial<EngineFacts>): Partial<Facts> => {
  const { found } = facts.engine as { found: EngineFacts }
  return { engine: { found: { ...found, ...changed } } }
}
const withStore = (changed: Partial<StoreFacts>): Partial<Facts> => ({ store: { ...store, ...changed } })
const withHolder = (id: string, vtep: string, session?: string): Partial<StoreFacts> => ({
  name: { ...store.name, holder: { found: { id, vtep, session } } },
})

test('a host on which nothing is missing has a line for every check', () => {
  expect(showFindings(findingsOf(facts))).toMatchInlineSnapshot(`
    "ok        kernel                 the kernel has network namespaces, vxlan, bridge, veth and nf_tables
    ok        neighbour table        the kernel keeps up to 65536 neighbours
    ok        programs               all programs that the driver runs are in PATH
    ok        unit                   multihost.service is installed
    ok        engine                 Docker is 26.1.5
    ok        firewall               Docker keeps its rules in iptables
    ok        swarm                  Docker is not in Swarm mode
    ok        userns-remap           containers share the host’s users
    ok        live-restore           containers stop when dockerd stops
    ok        docker dns             containers get names of other hosts in their hosts files alone: no --dns-listen
    ok        docker data-root       Docker keeps its data in /var/lib/docker
    ok        docker address pools   Docker's bridges and the driver's networks have pools of their own
    ok        underlay               the VTEP is 192.168.33.13 on eth1 (it leads to the store)
    ok        MTU                    eth1 has MTU 1500: containers get 1450
    ok        UDP 4789               the kernel receives VXLAN packets on UDP 4789
    unknown   tunnels                net-1 let in and answer tunnel packets of members alone; multihost join asks them as soon as this host is a member; open UDP 4789 between the hosts
    ok        store                  Consul answers at consul://192.168.33.10:8500/multihost, and 192.168.33.10:8300 leads
    ok        cluster                consul://192.168.33.10:8500/multihost holds cluster c1, format 1
    ok        token                  the token makes sessions, writes and lists keys
    ok        clock                  this host's clock and Consul's agree within 2 s
    ok        host name              no host is called net-3
    ok        VTEP                   no other host has 192.168.33.13"
  `)
})

test.each<[string, Partial<Facts>, RegExp]>([
  [
    'no namespaces',
    { kernel: { ...facts.kernel, namespaces: 'Operation not permitted', vxlan: 'x' } },
    /^missing +kernel +the kernel makes no network namespace: Operation not permitted; run as root/,
  ],
  [
    'two modules',
    { kernel: { ...facts.kernel, vxlan: 'Unknown device type.', nf_tables: 'x' } },
    /^missing +kernel +the kernel refuses vxlan: Unknown device type\.; load it with modprobe vxlan.*\nmissing +kernel +the kernel refuses nf_tables/,
  ],
  [
    'programs',
    { missingTools: ['nft', 'bridge'] },
    /^missing +programs +.*not in PATH: nft, bridge; install/,
  ],
  ['the unit', { hasUnit: { found: false } }, /^missing +unit +multihost\.service is not installed; install/],
  [
    'no engine',
    { engine: { failed: 'connect ENOENT' } },
    /^missing +engine +Docker does not answer: connect ENOENT; start Docker[^\n]*\nunknown +firewall[^\n]*\nunknown +swarm[^\n]*\nunknown +userns-remap[^\n]*\nunknown +live-restore/,
  ],
  [
    'an old engine',
    withEngine({ version: '19.03.15' }),
    /^missing +engine +Docker is 19.03.15; install Docker 20.10/,
  ],
  [
    'a rootless engine',
    withEngine({ isRootless: true }),
    /^missing +engine +Docker runs rootless: .*; use the engine that root runs/,
  ],
  [
    'Podman',
    withEngine({ version: '4.9.3', standIn: 'podman' }),
    /^missing +engine +Podman answers on the socket of Docker: .*; install Docker by a package/,
  ],
  [
    'the snap',
    withEngine({ version: '28.4.0', standIn: 'snap' }),
    /^missing +engine +Docker is a snap: its unit is not docker\.service, /,
  ],
  [
    'a kernel that loads no modules any more',
    { loadsNoModules: true, kernel: { ...facts.kernel, vxlan: 'Unknown device type.' } },
    /^missing +kernel +the kernel refuses vxlan: [^;]*; kernel\.modules_disabled is 1, .* write vxlan into \/etc\/modules-load\.d\/multihost\.conf, one in a line, and restart/,
  ],
  [
    'a machine whose /etc is read-only',
    { readOnly: [{ path: '/etc/default/docker', why: 'EROFS' }] },
    /^missing +unit +\/etc\/default\/docker cannot be written: EROFS; make .* in the image of this machine/,
  ],
  [
    'a unit that is masked',
    { hasUnit: { failed: 'multihost.service is masked', hint: 'systemctl unmask multihost' } },
    /^missing +unit +multihost\.service is masked; systemctl unmask multihost/,
  ],
  [
    'a folder that the unit cannot write',
    { outOfReach: [{ option: '--state-dir=/srv/mh', place: '/srv/mh', lacks: 'write' }] },
    /^missing +unit +the unit .* cannot write at --state-dir=\/srv\/mh; .*below \/run or \/var\/lib.* "ReadWritePaths=\/srv\/mh"$/m,
  ],
  [
    'a folder that leads to another one, and a file that the unit does not see',
    {
      outOfReach: [
        { option: '--state-dir=/var/lib/mh', place: '/srv/mh', lacks: 'write' },
        { option: '--kv-ca-file=/etc/ca.pem', place: '/root/ca.pem', lacks: 'sight' },
      ],
    },
    /at --state-dir=\/var\/lib\/mh, in \/srv\/mh; [^\n]*\nmissing +unit +.*does not see the place of --kv-ca-file=\/etc\/ca.pem, in \/root\/ca.pem; put files/,
  ],
  [
    'options of a member',
    {
      store: undefined,
      optionsGone: { failed: 'this host is net-3, and its options are gone', hint: 'put' },
    },
    /^missing +store +this host is net-3, and its options are gone; put$/m,
  ],
  [
    'an engine that breaks gateways',
    withEngine({ version: '29.0.1' }),
    /^missing +engine +.*moby#51522.*29\.0\.2/,
  ],
  [
    'a daemon.json that is none',
    { docker: { failed: 'no JSON' } },
    /^missing +docker dns +Docker's options cannot be read: no JSON; correct the file[^\n]*\nunknown +docker data-root[^\n]*\nunknown +docker address pools/,
  ],
  [
    'an address for DNS without a driver on it',
    { docker: { found: { dns: ['169.254.255.53'], dataRoot: undefined, addressPools: [] } } },
    /^missing +docker dns +.*to 169.254.255.53, where the driver would not listen; give --dns-listen=169.254.255.53/,
  ],
  [
    'two addresses for DNS',
    {
      docker: { found: { dns: ['169.254.255.53'], dataRoot: undefined, addressPools: [] } },
      wanted: { addressPools: [], dnsAddress: '169.254.1.1', filterIsOn: true },
    },
    /^missing +docker dns +.*169.254.255.53, and the driver listens on 169.254.1.1; write one address into both/,
  ],
  [
    'pools that overlap',
    { docker: { found: { dns: [], dataRoot: undefined, addressPools: ['172.16.0.0/12'] } } },
    /^missing +docker address pools +.*172.16.0.0\/12 and 172.16.0.0\/16; change/,
  ],
  [
    'no underlay',
    { underlay: { failed: 'no interface is named eth7', hint: 'this host has eth0' } },
    /^missing +underlay +.*no interface is named eth7; this host has eth0\nunknown +MTU/,
  ],
  [
    'a small MTU below a VTEP of IPv6',
    { underlay: { found: { device: 'eth1', address: 'fd00:33::13', mtuBytes: 1300 } } },
    /^missing +MTU +eth1 has MTU 1300, which leaves containers 1230, .*; raise the MTU of eth1 to 1350/m,
  ],
  [
    'a port that is held',
    {
      vxlanPort: { found: { trial: 'Address already in use', devices: ['flannel.1'], hasProcess: true } },
    },
    /^missing +UDP 4789 +.*Address already in use; it is held by VXLAN device flannel\.1 and a process; see: ss/,
  ],
  ['a port that was not tried', { vxlanPort: { failed: 'no ip' } }, /^unknown +UDP 4789 +no ip$/m],
])('missing or unknown: %s', (_, changed, words) => {
  expect(lines(changed)).toMatch(words)
})

test.each([
  [
    1024,
    /^ok +neighbour table +the kernel keeps up to 1024 neighbours.* of all containers; for hosts with many/,
  ],
  [undefined, /^unknown +neighbour table/],
])('a neighbour table of %s entries is named, and keeps no host out', (neighbourLimit, words) => {
  const said = lines({ neighbourLimit }, 'neighbour table')
  expect(said).toMatch(words)
  if (neighbourLimit !== undefined) expect(said).toContain('net.ipv4.neigh.default.gc_thresh3=65536')
})

test('an underlay that is too small for IPv6 inside of the tunnel is no reason to stay out', () => {
  const tailscale = { found: { device: 'tailscale0', address: '100.64.0.7', mtuBytes: 1280 } }
  expect(lines({ underlay: tailscale }, 'MTU')).toMatch(
    /^ok +MTU +tailscale0 has MTU 1280, which leaves containers 1230, .*: networks with IPv6 send longer packets/m,
  )
})

test.each<[string, Partial<Facts>, string, RegExp]>([
  [
    'no forwarding',
    withEngine({ isForwarding: false }),
    'firewall',
    /^ok .*; net\.ipv4\.ip_forward is 0, .*ip_forward=1$/,
  ],
  [
    'firewalld',
    withEngine({ firewall: 'nftables+firewalld' }),
    'firewall',
    /^ok .*nftables\+firewalld; firewalld must let .*4789\/udp/,
  ],
  ['Swarm', withEngine({ inSwarm: true }), 'swarm', /^ok .*UDP 4789/],
  ['userns-remap', withEngine({ hasUserns: true }), 'userns-remap', /^ok .*users of their own/],
  ['live-restore', withEngine({ isLiveRestore: true }), 'live-restore', /^ok .*run on/],
  [
    'an address for DNS that Docker does not know yet',
    { wanted: { addressPools: [], dnsAddress: '169.254.255.53', filterIsOn: true } },
    'docker dns',
    /^ok .*until "dns": \["169\.254\.255\.53"\]/,
  ],
  [
    'an address for DNS that Docker knows',
    {
      docker: { found: { dns: ['169.254.255.53'], dataRoot: '/srv', addressPools: [] } },
      wanted: { addressPools: [], dnsAddress: '169.254.255.53', filterIsOn: true },
    },
    'docker dns',
    /^ok .*containers ask the driver on/,
  ],
  [
    'a member with a smaller MTU',
    withStore({ hosts: { found: hosts({ name: 'net-1', vtep: '192.168.33.11', mtuBytes: 1400 }) } }),
    'MTU',
    /^ok .*containers get 1450, 1350 on networks with net-1$/,
  ],
  [
    'other VXLAN devices',
    { vxlanPort: { found: { trial: undefined, devices: ['vx0'], hasProcess: false } } },
    'UDP 4789',
    /^ok .*beside vx0$/,
  ],
])('ok: %s', (_, changed, check, words) => {
  expect(lines(changed, check)).toMatch(words)
})

const tunnel = (state: TunnelStatus['state']): TunnelStatus => {
  return { host: 'net-1', vtep: '192.168.33.11', port: 4789, state, probeBytes: 1500 }
}

test.each<[string, Partial<Facts>, RegExp]>([
  [
    'before the host is a member',
    {},
    /^unknown +tunnels +net-1 let in and answer tunnel packets of members alone; multihost join asks/,
  ],
  [
    'no other host is up',
    withStore({ hosts: { found: hosts({ name: 'net-1', vtep: '192.168.33.11', isUp: false }) } }),
    /^ok .*no other host is up/,
  ],
  ['hosts that cannot be read', withStore({ hosts: { failed: 'x' } }), /^unknown .*not known$/],
  ['no store', { store: undefined }, /^unknown .*not known$/],
  ['a driver that cannot ask', { tunnels: { failed: 'no socket' } }, /^unknown .*no socket$/],
  ['a member alone', { tunnels: { found: [] } }, /^ok .*no other host/],
  ['an answer', { tunnels: { found: [tunnel('answers')] } }, /^ok .*1500 bytes both ways$/],
  ['silence', { tunnels: { found: [tunnel('silent')] } }, /^missing .*no answer through the tunnel; usual/],
  ['small packets alone', { tunnels: { found: [tunnel('small-only')] } }, /^missing .*small packets.*MTU/],
  ['a host that is away', { tunnels: { found: [tunnel('away')] } }, /^unknown .*is away$/],
  [
    'a driver that is down',
    { tunnels: { found: [tunnel('driver-down')] } },
    /^unknown .*is up, and its driver is down$/,
  ],
  ['an older driver', { tunnels: { found: [tunnel('unknown')] } }, /^unknown .*answers no probes$/],
])('tunnels: %s', (_, changed, words) => {
  expect(lines(changed, 'tunnels')).toMatch(words)
})

test.each<[string, Partial<StoreFacts>, string, RegExp]>([
  [
    'silent',
    { leader: { failed: 'Consul at x does not answer: ECONNREFUSED', hint: 'running containers …' } },
    'store',
    /^missing .*ECONNREFUSED; name the right store/,
  ],
  [
    'with a certificate of another authority',
    { leader: { failed: 'the certificate of Consul at x cannot be trusted', hint: '--kv-ca-file must be' } },
    'store',
    /^missing .*cannot be trusted; --kv-ca-file must be$/,
  ],
  [
    'with a file that is not there',
    { leader: { failed: '--kv-ca-file=/x cannot be read: ENOENT', hint: 'put the file there' } },
    'store',
    /^missing .*--kv-ca-file=\/x cannot be read: ENOENT; put the file there$/,
  ],
  [
    'and a hostname that the driver does not take',
    { name: { ...store.name, name: 'web_1' } },
    'host name',
    /^missing .*does not take the host name 'web_1': .*; choose another with --host-name=NAME$/,
  ],
  ['not a Consul', { leader: { found: '<html>' } }, 'store', /^missing .*is not Consul; name/],
  ['another JSON', { leader: { found: '{}' } }, 'store', /^missing .*is not Consul; name/],
  ['without a leader', { leader: { found: '""' } }, 'store', /^missing .*has no leader; start/],
  ['in part silent', { silent: ['Consul at y does not answer'] }, 'store', /^ok /],
  [
    'in part silent',
    { silent: ['Consul at y does not answer'] },
    'store server',
    /^unknown .*at y .*start it/,
  ],
  ['empty', { cluster: { found: undefined } }, 'cluster', /^ok .*no cluster yet/],
  [
    'empty, and this host has a cluster',
    { cluster: { found: undefined }, ownCluster: 'c1' },
    'cluster',
    /^missing .*this host belongs to cluster c1; name that cluster's store/,
  ],
  [
    'another cluster’s',
    { ownCluster: 'c0' },
    'cluster',
    /^missing .*holds cluster c1, and this host belongs to cluster c0;/,
  ],
  [
    'of a later format',
    { cluster: { found: '{"id": "c1", "format": 9}' } },
    'cluster',
    /^missing .*format 9, and this driver reads up to 1; install/,
  ],
  ['with a broken key', { cluster: { found: '{' } }, 'cluster', /^missing .*cannot be read; correct/],
  ['that does not show its cluster', { cluster: { failed: 'x' } }, 'cluster', /^unknown .*cannot be read: x/],
  [
    'that grants nothing',
    { rights: { session: 'denied', write: 'refused', list: 'left out', claim: undefined } },
    'token',
    /^missing .*cannot make a session \(denied\), and cannot write keys \(refused\), and cannot list keys \(left out\); give/,
  ],
  [
    'with the token of another host',
    { rights: { session: undefined, write: undefined, list: undefined, claim: 'refused' } },
    'token',
    /^missing .*cannot claim the name net-3 \(refused\); give/,
  ],
  ['without a clock', { clockOffsetMs: undefined }, 'clock', /^unknown/],
  ['2.4 s away, as told in full seconds', { clockOffsetMs: -2400 }, 'clock', /^ok/],
  ['ahead', { clockOffsetMs: 2600 }, 'clock', /^missing .*2\.6 s ahead of Consul's; set both/],
  ['behind', { clockOffsetMs: -90_000 }, 'clock', /^missing .*90\.0 s behind Consul's/],
  ['with a certificate for long', { certificateLeftMs: 31 * dayMs }, 'certificate', /^ok .*31 days/],
  [
    'with a certificate that ends soon',
    { certificateLeftMs: 29.5 * dayMs },
    'certificate',
    /^unknown .*Consul's certificate ends in 29 days; make a new one: consul tls cert create -server -days=/,
  ],
  ['without TLS', {}, 'certificate', /^$/],
])('a store that is %s', (_, changed, check, words) => {
  expect(lines(withStore(changed), check)).toMatch(words)
})

test('of a store that is not reached nothing else is judged', () => {
  expect(lines(withStore({ leader: { failed: 'x' } }))).toMatch(
    /missing +store[^\n]*\nunknown +cluster[^\n]*\nunknown +token[^\n]*\nunknown +clock[^\n]*\nunknown +host name[^\n]*\nunknown +VTEP[^\n]*$/,
  )
})

const vtep = '192.168.33.13'
const recorded = (isUp: boolean): Partial<StoreFacts> => ({
  hosts: { found: hosts({ name: 'net-3', vtep: '192.168.33.11', isUp }) },
})
test.each<[string, Partial<StoreFacts>, RegExp]>([
  ['free', {}, /^ok .*no host is called net-3$/],
  [
    'this host’s',
    { name: { ...store.name, id: 'i', holder: { found: { id: 'i', vtep, session: 's' } } } },
    /^ok .*this host's$/,
  ],
  ['of a live host with this VTEP', withHolder('o', vtep, 's'), /^missing .*wait half a minute: .*NAME$/],
  [
    'of a live host',
    withHolder('o', '192.168.33.11', 's'),
    /^missing .*another live host is called net-3: VTEP 192.168.33.11, id o; .*--host-name=NAME$/,
  ],
  [
    'of a host that is away',
    { ...withHolder('o', '192.168.33.11'), ...recorded(false) },
    /^missing .*which is away: VTEP 192.168.33.11, id o; .*multihost host rm net-3' on another host$/,
  ],
  ['in a record alone, of a live host', recorded(true), /^missing .*VTEP 192.168.33.11, id unknown; /],
  ['in a record alone, without a live host', recorded(false), /^ok .*this host's$/],
  ['not to be read', { name: { ...store.name, holder: { failed: 'x' } } }, /^unknown .*cannot be read: x$/],
  ['in records that cannot be read', { hosts: { failed: 'x' } }, /^unknown .*cannot be read: x$/],
])('a name that is %s', (_, changed, words) => {
  expect(lines(withStore(changed), 'host name')).toMatch(words)
})

const withHosts = (...all: Parameters<typeof hosts>) => withStore({ hosts: { found: hosts(...all) } })
test.each<[string, Partial<Facts>, RegExp]>([
  ['this host’s own', withHosts({ name: 'net-3', vtep }), /^ok .*no other host has/],
  [
    'a live host’s',
    withHosts({ name: 'net-1', vtep, isUp: false }, { name: 'net-2', vtep }),
    /^missing .*192\.168\.33\.13 is the VTEP of net-2 too, which is up; .*--bind-interface/,
  ],
  [
    'a dead host’s',
    withHosts({ name: 'net-1', vtep, isUp: false }),
    /^unknown .*of net-1 too, which is away; .*multihost host rm net-1$/,
  ],
  ['not to be compared', withStore({ hosts: { failed: 'x' } }), /^unknown .*not known$/],
  ['not there', { underlay: { failed: 'x' } }, /^unknown .*not found$/],
])('a VTEP that is %s', (_, changed, words) => {
  expect(lines(changed, 'VTEP')).toMatch(words)
})

test('a host without the filter of tunnel packets needs no nf_tables', () => {
  const kernel = { ...facts.kernel, nf_tables: 'Error: Could not process rule: No such file or directory' }
  expect(lines({ kernel }, 'kernel')).toMatch(
    /^missing .*; load nf_tables and nft_fib_inet .*--tunnel-filter=off$/,
  )
  const wanted = { ...facts.wanted, filterIsOn: false }
  expect(lines({ kernel, wanted }, 'kernel')).toMatch(/^ok .*bridge, and veth$/)
})
