/**
 * What every host knew when a scenario failed, as files under the report's evidence/: logs, status, containers,
 * networks, links, FDB and neighbours, the store's tree, the lab's picture from before anything was taken down, and
 * what crossed the underlay since the scenario began.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabHost } from '../../provision/lab/hosts.ts'
import { captured } from './capture.ts'
import { type EvidenceEvent, tell } from './events.ts'
import { reportFolder } from './folder.ts'
import { decode, show } from './packets.ts'
import type { Picture } from './snapshot.ts'
import type { Ask } from './take-snapshot.ts'

/** Title → command line. None may hang, and none is demanded to succeed: it is evidence. */
const ofDocker: Record<string, string> = {
  'driver log': 'journalctl -u multihost --no-pager -n 300 -o short-precise',
  'docker log': 'journalctl -u docker --no-pager -n 100 -o short-precise',
  'driver status': 'multihost status',
  containers: 'docker ps -a --no-trunc',
  networks: 'docker network inspect $(docker network ls -q)',
  links: 'ip -d link show',
  'network namespaces':
    'for n in /var/run/docker/netns/????????????; do echo "== $n"; nsenter --net=$n sh -c "ip -d link; ip -d address; echo; bridge fdb show; echo; ip neigh show; ip -6 neigh show"; done',
}
const ofConsul: Record<string, string> = {
  'the store':
    'curl -s \'http://127.0.0.1:8500/v1/kv/multihost/?recurse\' | jq -r \'.[] | .Key + " " + (.Value // "" | @base64d)\'',
  'Consul log': 'journalctl -u consul --no-pager -n 100 -o short-precise',
}

export interface Failed {
  scenario: string
  /** When it began, in milliseconds since the epoch. */
  at: number
  picture: Picture | undefined
}

/** Resolves with the folder that has the files. */
export async function collectEvidence(failed: Failed, hosts: readonly LabHost[], ask: Ask): Promise<string> {
  const folder = unused(failed.scenario.replaceAll(/[^\w]+/g, '-').slice(0, 80))
  const keep = (piece: Piece, content: string | Buffer, ending = 'txt') => {
    const file = join('evidence', folder, `${piece.host}-${piece.title.replaceAll(' ', '-')}.${ending}`)
    writeFileSync(join(reportFolder(), file), content)
    if (ending === 'txt')
      tell({ kind: 'evidence', scenario: failed.scenario, ...piece, file, at: Date.now() })
  }
  await Promise.all(hosts.map((host) => askAll(host, failed, ask, keep)))
  const picture = { host: 'lab', title: 'before anything was taken down', command: '' }
  keep(picture, JSON.stringify(failed.picture ?? null, null, 2))
  return join(reportFolder(), 'evidence', folder)
}

/** Makes it. A scenario that fails in several rounds, or on several drivers, has a folder for each time. */
function unused(name: string, times = 1): string {
  const folder = times === 1 ? name : `${name}-${times}`
  const path = join(reportFolder(), 'evidence', folder)
  if (existsSync(path)) return unused(name, times + 1)
  mkdirSync(path, { recursive: true })
  return folder
}

type Piece = Pick<EvidenceEvent, 'host' | 'title' | 'command'>
type Keep = (piece: Piece, content: string | Buffer, ending?: string) => void

async function askAll(host: LabHost, failed: Failed, ask: Ask, keep: Keep): Promise<void> {
  const asked = Object.entries(host.role === 'consul' ? ofConsul : ofDocker)
  const answers = asked.map(async ([title, command]) => {
    const { stdout, stderr } = await answer(
      host,
      `timeout 5 sh -c '${command.replaceAll("'", "'\\''")}'`,
      ask,
    )
    keep({ host: host.name, title, command }, stdout + stderr)
  })
  await Promise.all([...answers, keepPackets(host, failed, ask, keep)])
}

async function keepPackets(host: LabHost, failed: Failed, ask: Ask, keep: Keep): Promise<void> {
  const title = 'packets on the underlay'
  for (const [i, pcap] of (await captured(host, ask)).entries()) {
    const packets = decode(pcap).filter((packet) => packet.at >= failed.at)
    const lines = packets.map((packet) => `${((packet.at - failed.at) / 1000).toFixed(6)} ${show(packet)}\n`)
    const piece = { host: host.name, title: i === 0 ? title : `${title} ${i + 1}`, command: 'tcpdump' }
    keep(piece, lines.slice(-mostPackets).join(''))
    keep(piece, pcap, 'pcap')
  }
}

/** Of a capture, as lines; the file has all. */
const mostPackets = 500

/** A host that is gone is told of in words. */
async function answer(host: LabHost, command: string, ask: Ask): Promise<{ stdout: string; stderr: string }> {
  try {
    return await ask(host, command)
  } catch (error) {
    return { stdout: '', stderr: error instanceof Error ? error.message : String(error) }
  }
}
