/**
 * `lab status`: a table of the hosts, their engines and Consul.
 */
import { table } from '../../driver/cli/table.ts'
import type { Backend, MachineState } from '../backends/backend.ts'
import type { LabHost } from '../lab/definition.ts'
import { timeoutScale } from '../process/timeout-scale.ts'

const columns = ['HOST', 'ADDRESS', 'ROLE', 'STATE', 'ENGINE', 'CONSUL']

export async function statusTable(backend: Backend): Promise<string> {
  const states = await backend.states()
  const rows = await Promise.all(
    backend.lab.hosts.map(async (host) => {
      const state = states.get(host.name) ?? 'absent'
      return [host.name, host.address, host.role, ...(await answers(backend, host, state))]
    }),
  )
  return table([columns, ...rows])
}

/** State, engine version and Consul's state as this host sees it. */
async function answers(backend: Backend, host: LabHost, state: MachineState): Promise<string[]> {
  if (state !== 'running') return [state, '-', '-']
  try {
    await using connection = await backend.connect(host)
    const ask = async (command: string) =>
      (await connection.exec(command, { timeoutMs: 5000 * timeoutScale })).stdout.trim()
    const [engine, leader, version] = await Promise.all([
      host.role === 'docker' ? ask("docker version --format '{{.Server.Version}}' 2>/dev/null") : '-',
      host.role === 'consul'
        ? ask(`curl -sf --max-time ${2 * timeoutScale} http://127.0.0.1:8500/v1/status/leader`)
        : '-',
      host.role === 'consul' ? ask("consul version 2>/dev/null | sed -n 's/^Consul v//p'") : '-',
    ])
    const consul = host.role === 'consul' ? `${version || 'no Consul'}, ${roleOf(host, leader)}` : '-'
    return [state, engine || 'not answering', consul]
  } catch {
    return ['not answering', '-', '-'] // a host that hangs must not hide the others
  }
}

/** `leader`: what this server calls the leader's address, `"192.168.33.10:8300"`, or empty. */
function roleOf(host: LabHost, leader: string): string {
  if (!leader.includes(':')) return 'no leader'
  return leader.includes(`"${host.address}:`) ? 'leader' : 'follower'
}
