/**
 * The checks of the store: reached, a Consul, this cluster's, the token's rights, the clock, this host's name
 * and VTEP. Pure.
 */
import { judgeClaim, liveVtepHolder } from '../core/host-claim.ts'
import { isHostName } from '../daemon/options.ts'
import { readCluster, supportedFormat } from '../store/incarnation.ts'
import { type Facts, failureIn, foundIn, leaderIn, type StoreFacts } from './facts.ts'
import { type Finding, isMissing, missing, ok, unknown } from './finding.ts'

/** Consul tells full seconds: the middle of one is half a second away at most. */
const clockGrainMs = 500
const clockLimitMs = 2000

/** What the judgements of name and VTEP compare with, where it is known. */
type Context = Pick<Facts, 'underlay'>

type Check = (store: StoreFacts, context: Context) => Finding

const checks: readonly [check: string, judge: Check][] = [
  ['cluster', cluster],
  ['token', token],
  ['clock', clock],
  ['host name', hostName],
  ['VTEP', vtep],
]

type Judged = Pick<Facts, 'store' | 'underlay' | 'optionsGone'>

export function storeFindings({ store, underlay, optionsGone }: Judged): Finding[] {
  if (store === undefined && optionsGone !== undefined)
    return [missing('store', optionsGone.failed, optionsGone.hint ?? '')]
  if (store === undefined) {
    const says = 'no store is named, and this host is a member of no cluster'
    return [unknown('store', says, 'name one: multihost doctor consul://HOST:8500')]
  }
  const found = [reached(store), ...servers(store), ...certificate(store)]
  if (!found.some(isMissing)) return [...found, ...checks.map(([, judge]) => judge(store, { underlay }))]
  return [...found, ...checks.map(([check]) => unknown(check, 'the store is not reached'))]
}

function reached({ url, leader }: StoreFacts): Finding {
  if ('failed' in leader) {
    const { failed, hint } = leader
    const remedy = 'name the right store, and open its port for this host'
    return missing('store', failed, / does not answer: /.test(failed) ? remedy : (hint ?? remedy))
  }
  const name = leaderIn(leader.found)
  if (name === undefined)
    return missing(
      'store',
      `${url} answers, but is not Consul`,
      "name Consul's HTTP port, like consul://192.168.33.10:8500",
    )
  if (name === '') return missing('store', `Consul at ${url} has no leader`, 'start most of its servers')
  return ok('store', `Consul answers at ${url}, and ${name} leads`)
}

/** The driver asks another server than one that is away: a member may join all the same. */
function servers({ silent, others, leader }: StoreFacts): Finding[] {
  const away = silent.map((says) => unknown('store server', says, 'start it, or leave it out of --kv-store'))
  const leads = leaderIn(foundIn(leader) ?? '')
  const wrong = others.map((body) => {
    const other = leaderIn(body)
    if (other === undefined)
      return missing('store server', 'a server is not Consul', 'name servers of one Consul')
    if (other === '') return unknown('store server', 'a server knows no leader', 'look at its log')
    const says = `the servers are of several clusters of Consul: one is led by ${leads}, and one by ${other}`
    return missing('store server', says, 'name servers of one cluster')
  })
  return [...away, ...wrong]
}

const dayMs = 86_400_000
const soonMs = 30 * dayMs

/** One that has ended is a store that is not reached. */
function certificate({ certificateLeftMs }: StoreFacts): Finding[] {
  if (certificateLeftMs === undefined) return []
  const says = `Consul's certificate ends in ${Math.floor(certificateLeftMs / dayMs)} days`
  if (certificateLeftMs >= soonMs) return [ok('certificate', says)]
  const hint = 'make a new one: consul tls cert create -server -days=365, with the addresses that it has'
  return [unknown('certificate', says, hint)]
}

function cluster({ cluster: answer, ownCluster, url }: StoreFacts): Finding {
  if ('failed' in answer) return unknown('cluster', `the key of the cluster cannot be read: ${answer.failed}`)
  if (answer.found === undefined) {
    if (ownCluster === undefined) return ok('cluster', `${url} holds no cluster yet: the first host makes it`)
    const says = `${url} holds no cluster, and this host belongs to cluster ${ownCluster}`
    return missing(
      'cluster',
      says,
      "name that cluster's store, or take this host out of it first: multihost leave",
    )
  }
  const found = readCluster(answer.found)
  if (found === undefined)
    return missing(
      'cluster',
      `${url} has a key "cluster" that cannot be read`,
      'correct its value: {"id": "…", "format": 1}',
    )
  const { id, format } = found
  if (format > supportedFormat) {
    const says = `cluster ${id} has format ${format}, and this driver reads up to ${supportedFormat}`
    return missing('cluster', says, 'install the driver version of the other hosts')
  }
  if (ownCluster !== undefined && ownCluster !== id) {
    const says = `${url} holds cluster ${id}, and this host belongs to cluster ${ownCluster}`
    return missing(
      'cluster',
      says,
      "name that cluster's store, or take this host out of it first: multihost leave",
    )
  }
  return ok('cluster', `${url} holds cluster ${id}, format ${format}`)
}

function token({ rights, name }: StoreFacts): Finding {
  const refused = [
    ['make a session', rights.session],
    ['write keys', rights.write],
    ['list keys', rights.list],
    [`claim the name ${name.name}`, rights.claim],
  ].filter(([, words]) => words !== undefined)
  if (refused.length === 0) return ok('token', 'the token makes sessions, writes and lists keys')
  const says = `the token cannot ${refused.map(([what, words]) => `${what} (${words})`).join(', and cannot ')}`
  return missing('token', says, 'give --kv-token-file a token with the rights of docs/security.md')
}

function clock({ clockOffsetMs }: StoreFacts): Finding {
  if (clockOffsetMs === undefined) return unknown('clock', 'Consul did not tell its time')
  if (Math.abs(clockOffsetMs) <= clockLimitMs + clockGrainMs)
    return ok('clock', `this host's clock and Consul's agree within ${clockLimitMs / 1000} s`)
  const seconds = Math.abs(clockOffsetMs / 1000).toFixed(1)
  const way = clockOffsetMs > 0 ? 'ahead of' : 'behind'
  return missing(
    'clock',
    `this host's clock is ${seconds} s ${way} Consul's`,
    'set both by NTP: timedatectl set-ntp true',
  )
}

function hostName({ name: { name, id, holder }, hosts }: StoreFacts, { underlay }: Context): Finding {
  const [wrong] = wrongName(name)
  if (wrong !== undefined) return wrong
  if ('failed' in holder || 'failed' in hosts) {
    const failed = failureIn(holder) ?? failureIn(hosts)
    return unknown('host name', `who has the name ${name} cannot be read: ${failed}`)
  }
  const { records, liveness } = hosts.found
  const verdict = judgeClaim(
    { host: name, id, vtep: foundIn(underlay)?.address },
    {
      record: records.get(name),
      announcement: holder.found,
      lockedBy: holder.found?.session,
      isOwnSession: holder.found?.isOwnSession,
      liveness,
    },
  )
  return verdict.is === 'taken'
    ? missing('host name', verdict.why, verdict.hint)
    : ok('host name', verdict.why)
}

/** Also where the name is the machine's own hostname. */
export function wrongName(name: string): Finding[] {
  if (isHostName(name)) return []
  const says = `the driver does not take the host name '${name}': only letters, digits, dots and dashes are allowed`
  return [missing('host name', says, 'choose another with --host-name=NAME')]
}

function vtep({ name: { name }, hosts }: StoreFacts, { underlay }: Context): Finding {
  const own = foundIn(underlay)?.address
  const known = foundIn(hosts)
  if (own === undefined || known === undefined)
    return unknown(
      'VTEP',
      own === undefined ? 'the interface of the VTEP is not found' : 'which hosts have it is not known',
    )
  const { records, liveness } = known
  const live = liveVtepHolder({ host: name, vtep: own }, records, liveness)
  if (live !== undefined)
    return missing(
      'VTEP',
      `${own} is the VTEP of ${live} too, which is up`,
      'name the interface that the other hosts reach with --bind-interface, by name or by CIDR',
    )
  const away = [...records].find(([other, record]) => other !== name && record.vtep === own)?.[0]
  if (away === undefined) return ok('VTEP', `no other host has ${own}`)
  const evict = `if that host will not come back, run: multihost host rm ${away}`
  return unknown('VTEP', `${own} is the VTEP of ${away} too, which is away`, evict)
}
