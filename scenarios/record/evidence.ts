/**
 * Evidence of a failed scenario, as files under the report's evidence/: from every host its logs, status,
 * containers, networks, links, FDB and neighbours; the store's tree; the lab's snapshot from before the
 * teardown; and the packets on the underlay since the scenario began.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabHost, Role } from '../../provision/lab/definition.ts'
import { messageOf } from '../../provision/process/errors.ts'
import { shellQuote } from '../../provision/process/quote.ts'
import { captured } from './capture.ts'
import { type EvidenceEvent, recordEvent } from './events.ts'
import { reportFolder } from './folder.ts'
import type { Snapshot } from './snapshot.ts'
import type { Ask } from './take-snapshot.ts'

/** Title → command line. Each has 5 s, and its exit code does not matter: failures are evidence too. */
const ofDocker: Record<string, string> = {
  'docker log': 'journalctl -u docker --no-pager -n 100 -o short-precise',
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
  /** When the scenario began, in milliseconds since the epoch. */
  at: number
  snapshot: Snapshot | undefined
}

/** What a subject answers on the hosts of its role. */
export interface SubjectEvidence {
  role: Role
  /** Title → command line. */
  evidence: Readonly<Record<string, string>>
}

/** Resolves with the path of the folder that has the files. */
export async function collectEvidence(
  failed: Failed,
  hosts: readonly LabHost[],
  subject: SubjectEvidence,
  ask: Ask,
): Promise<string> {
  const folder = newFolder(failed.scenario.replaceAll(/[^\w]+/g, '-').slice(0, 80))
  const save: Save = (piece, content, ending = 'txt') => {
    const file = join('evidence', folder, `${piece.host}-${piece.title.replaceAll(' ', '-')}.${ending}`)
    writeFileSync(join(reportFolder(), file), content)
    if (ending === 'txt')
      recordEvent({ kind: 'evidence', scenario: failed.scenario, ...piece, file, at: Date.now() })
  }
  await Promise.all(hosts.map((host) => askAll(host, failed, questions(host, subject), ask, save)))
  const snapshot = { host: 'lab', title: 'before teardown', command: '' }
  save(snapshot, JSON.stringify(failed.snapshot ?? null, null, 2))
  return join(reportFolder(), 'evidence', folder)
}

/** Creates the folder; a scenario that fails again, in another round or on another subject, gets another folder. */
function newFolder(name: string, times = 1): string {
  const folder = times === 1 ? name : `${name}-${times}`
  const path = join(reportFolder(), 'evidence', folder)
  if (existsSync(path)) return newFolder(name, times + 1)
  mkdirSync(path, { recursive: true })
  return folder
}

type Piece = Pick<EvidenceEvent, 'host' | 'title' | 'command'>
type Save = (piece: Piece, content: string | Buffer, ending?: string) => void

/** Title → command line. */
function questions({ role }: LabHost, subject: SubjectEvidence): Record<string, string> {
  const ofRole: Record<Role, Record<string, string>> = { consul: ofConsul, docker: ofDocker, bare: {} }
  return { ...ofRole[role], ...(role === subject.role ? subject.evidence : {}) }
}

async function askAll(
  host: LabHost,
  failed: Failed,
  asked: Record<string, string>,
  ask: Ask,
  save: Save,
): Promise<void> {
  const answers = Object.entries(asked).map(async ([title, command]) => {
    const { stdout, stderr } = await answer(host, `timeout 5 sh -c ${shellQuote(command)}`, ask)
    save({ host: host.name, title, command }, stdout + stderr)
  })
  await Promise.all([...answers, savePackets(host, failed, ask, save)])
}

async function savePackets(host: LabHost, failed: Failed, ask: Ask, save: Save): Promise<void> {
  const title = 'packets on the underlay'
  for (const [i, { pcap, text }] of (await captured(host, failed.at, ask)).entries()) {
    const piece = {
      host: host.name,
      title: i === 0 ? title : `${title} ${i + 1}`,
      command: 'tcpdump -nn -e -tt',
    }
    save(piece, text.split('\n').slice(-mostLines).join('\n'))
    save(piece, pcap, 'pcap')
  }
}

/** Lines of a capture in the report; the .pcap file has all packets. */
const mostLines = 1000

/** A host that cannot be reached answers with the error's message. */
async function answer(host: LabHost, command: string, ask: Ask): Promise<{ stdout: string; stderr: string }> {
  try {
    return await ask(host, command)
  } catch (error) {
    return { stdout: '', stderr: messageOf(error) }
  }
}
