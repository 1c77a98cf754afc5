/**
 * What resolv.conf(5) tells: of a host, its name servers; of a container, the engine's own DNS, which the
 * container asks. Engines from 26 on write their servers and the origin of `ndots` into comments (moby's
 * internal/resolvconf).
 */
import { canonicalIp, isIp } from './ip.ts'

export interface EngineDns {
  /**
   * The servers that the engine asks for the container, `host(IP)` for those that it asks from the host's
   * namespace. Undefined: the file does not tell.
   */
  servers?: readonly string[]
  /**
   * False: the engine answers a name of one label from its own records alone. It does so where a person, or
   * the host's resolv.conf, has set `ndots` (moby's resolver.go). The engine itself sets 0, and an engine
   * before 26 does not tell its 0 from a person's.
   */
  forwardsSingleLabels: boolean
}

export function engineDnsIn(text: string): EngineDns {
  const [, list] = /^# ExtServers: \[(.*)\]$/m.exec(text) ?? []
  const ndots = [...text.matchAll(/^options\b.*\bndots:(\d+)/gm)].at(-1)?.[1] ?? '0'
  const isSet = Number(ndots) > 0 || /^# Option ndots from: (host|override)$/m.test(text)
  const servers = list?.split(' ').map((it) => (isIp(it) ? canonicalIp(it) : it))
  return { ...(servers && { servers }), forwardsSingleLabels: !isSet }
}

/**
 * In their order, each once. A link-local address may have a zone (`fe80::1%eth0`): a router announces itself
 * so (RFC 8106).
 */
export function nameServersIn(text: string): string[] {
  const named = [...text.matchAll(/^nameserver[ \t]+([^\s#;]+)/gm)].map(([, server]) => server ?? '')
  return [...new Set(named.flatMap((server) => canonicalServer(server) ?? []))]
}

function canonicalServer(text: string): string | undefined {
  const [, address = text, zone = ''] = /^(fe80:[^%]*)(%[\w.:-]+)$/i.exec(text) ?? []
  return isIp(address) ? canonicalIp(address) + zone : undefined
}
