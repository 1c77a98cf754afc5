/**
 * Whether the engine is in swarm mode. Engines from 23 on say it in a header of `_ping`, which takes about a
 * millisecond; older engines are asked for their `info`.
 */
import type { EngineClient } from './client.ts'

export async function inSwarmMode(client: Pick<EngineClient, 'ping' | 'call'>): Promise<boolean> {
  const { swarm } = await client.ping()
  if (swarm !== undefined) return !swarm.startsWith('inactive')
  const state = await client.call('GET', '/info', { parse: stateIn }, { timeoutMs: 5000 })
  return state !== 'inactive'
}

function stateIn(json: unknown): string {
  return (json as { Swarm?: { LocalNodeState?: string } }).Swarm?.LocalNodeState || 'inactive'
}
