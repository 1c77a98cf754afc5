/**
 * All simulated hosts of one point of the sweep, spread over as many processes as there are processors.
 */
import { cpus } from 'node:os'
import type { ColdStart, calls, Usage, Where } from './member.ts'
import { type Remote, startRemote } from './remote.ts'

type Member = Remote<typeof calls>

export interface Fleet extends AsyncDisposable {
  hosts: number
  processes: number
  starts: ColdStart[]
  /** When the last host has it; to be asked before the change is made. */
  known(name: string): Promise<number>
  /** Sums over all hosts; resident memory over all processes. */
  usage(): Promise<Usage>
  restart(): Promise<ColdStart>
}

export async function startFleet(file: string, where: Where, hosts: number): Promise<Fleet> {
  const count = Math.min(hosts, cpus().length)
  const members = await Promise.all(Array.from({ length: count }, () => startRemote<typeof calls>(file)))
  const from = (member: number): number => Math.round((member * hosts) / count)
  const dispose = async (): Promise<void> => {
    await Promise.all(members.map((member) => closed(member)))
  }
  try {
    const starts = await Promise.all(members.map((it, i) => it.call('open', where, from(i), from(i + 1))))
    return {
      hosts,
      processes: count,
      starts: starts.flat(),
      known: async (name) => Math.max(...(await Promise.all(members.map((it) => it.call('known', name))))),
      usage: async () => (await Promise.all(members.map((it) => it.call('usage')))).reduce(plus),
      restart: async () => (members[0] as Member).call('restart', where, 0),
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function closed(member: Member): Promise<void> {
  await member.call('close').catch(() => 'it has ended already')
  await member[Symbol.asyncDispose]()
}

function plus(a: Usage, b: Usage): Usage {
  return {
    received: a.received + b.received,
    cpuMs: a.cpuMs + b.cpuMs,
    heapBytes: a.heapBytes + b.heapBytes,
    residentBytes: a.residentBytes + b.residentBytes,
    writtenBytes: a.writtenBytes + b.writtenBytes,
  }
}

export function minus(a: Usage, b: Usage): Usage {
  return {
    received: a.received - b.received,
    cpuMs: a.cpuMs - b.cpuMs,
    heapBytes: a.heapBytes - b.heapBytes,
    residentBytes: a.residentBytes - b.residentBytes,
    writtenBytes: a.writtenBytes - b.writtenBytes,
  }
}
