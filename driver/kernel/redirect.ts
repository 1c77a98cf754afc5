/**
 * An address of the driver's own on this host, whose port leads to another one.
 *
 * Containers ask DNS on port 53 only. A socket on port 53 of any address would keep a container from
 * publishing port 53 (`-p 53:53` listens on all addresses). So the driver listens on another port of an
 * address of its own on `lo`, and NAT leads port 53 of that address there. NAT keeps the client's address.
 * The chains stand before Docker's, which would lead the packets to the container that publishes port 53.
 *
 * `nft` first, which Docker's rules and a flush of iptables do not touch; where it does not exist, iptables.
 */
import { DriverError, isCode } from '../core/errors.ts'
import type { Ip } from '../core/records.ts'
import { ownInterfaces } from './own-interfaces.ts'
import { type Run, succeeded } from './run-command.ts'
import type { Outcome } from './shell.ts'

export interface Redirect {
  /** IPv4. */
  address: Ip
  port: number
  /** The port that the driver listens on. */
  to: number
}

const table = 'multihost_dns'

/**
 * Does nothing where all is in place. Returns how many connections and UDP questions of containers were
 * redirected since the rules were made; undefined with iptables. Throws `kernel`. `prefix`: into the host's
 * namespace.
 */
export async function redirectPort(
  run: Run,
  prefix: readonly string[],
  of: Redirect,
): Promise<number | undefined> {
  if (!isOwn(of.address) || prefix.length > 0) {
    succeeded(
      await run([...prefix, 'ip', 'address', 'replace', `${of.address}/32`, 'dev', 'lo', 'scope', 'host']),
    )
  }
  try {
    return await byNft(run, prefix, of)
  } catch (error) {
    if (!isCode(error, 'kernel')) throw error
    await byIptables(run, prefix, of).catch((second: unknown) => {
      throw new DriverError('kernel', `${(error as Error).message}; ${(second as Error).message}`, {
        hint: `install nftables or iptables, or listen on an address of this host, like --dns-listen=192.168.33.11`,
        cause: second,
      })
    })
    return undefined
  }
}

/** The address, and the rules of either tool. Does nothing where they are not. Throws `kernel`. */
export async function removeRedirect(run: Run, prefix: readonly string[], of: Redirect): Promise<void> {
  const gone = /No such file or directory|Cannot assign requested address|not found/
  const nft = await attempt(run([...prefix, 'nft', 'delete', 'table', 'ip', table]))
  if (nft !== undefined && !gone.test(nft.stderr)) succeeded(nft)
  for (const { chain, rule } of iptablesRules(of)) {
    const iptables = [...prefix, 'iptables', '-w', '2', '-t', 'nat']
    const remove = (): Promise<Outcome | undefined> => attempt(run([...iptables, '-D', chain, ...rule]))
    let outcome = await remove()
    while (outcome?.code === 0) outcome = await remove()
    if (outcome !== undefined && isLocked.test(outcome.stderr)) succeeded(outcome)
  }
  const address = await run([...prefix, 'ip', 'address', 'del', `${of.address}/32`, 'dev', 'lo'])
  if (!gone.test(address.stderr)) succeeded(address)
}

/** Another program holds the lock of iptables: whether a rule is there is not known. */
const isLocked = /xtables lock|temporarily unavailable/

/** Undefined for a tool that is not there: it has made nothing. */
function attempt(outcome: Promise<Outcome>): Promise<Outcome | undefined> {
  return outcome.catch(() => undefined)
}

/** Rules of an older driver have no counters: they are made anew. */
async function byNft(run: Run, prefix: readonly string[], of: Redirect): Promise<number> {
  const { code, stdout } = await run([...prefix, 'nft', 'list', 'table', 'ip', table])
  const rules = rulesOf(of)
  const listed = stdout.replaceAll(/counter packets \d+ bytes \d+/g, 'counter')
  if (code === 0 && isAsMade(listed, rules)) return redirected(stdout)
  const chain = (hook: string): string =>
    `chain ${hook} {\ntype nat hook ${hook} priority -110; policy accept;\n${rules.join('\n')}\n}`
  const text = `add table ip ${table}\ndelete table ip ${table}\ntable ip ${table} {\n${chain('prerouting')}\n${chain('output')}\n}\n`
  succeeded(await run([...prefix, 'nft', '-f', '-'], text))
  return 0
}

/** Two chains, each with these rules alone behind its hook, in a table that is not dormant. */
function isAsMade(listed: string, rules: readonly string[]): boolean {
  const bodies = [...listed.matchAll(/chain \w+ \{([^}]*)\}/g)].map(([, body = '']) =>
    body.split('\n').flatMap((line) => line.trim() || []),
  )
  const isChain = ([hook = '', ...found]: string[]): boolean =>
    hook.endsWith(' policy accept;') && found.join('\n') === rules.join('\n')
  return bodies.length === 2 && bodies.every(isChain) && !/^\s*flags /m.test(listed)
}

/**
 * What came from containers: this host's own questions pass `output`. A NAT chain sees the first packet of
 * each connection.
 */
function redirected(listed: string): number {
  const chain = /chain prerouting \{([^}]*)\}/.exec(listed)?.[1] ?? ''
  return [...chain.matchAll(/counter packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0)
}

/** As `nft list` prints them, too, without the numbers of the counters. */
function rulesOf({ address, port, to }: Redirect): string[] {
  return ['udp', 'tcp'].map(
    (protocol) => `ip daddr ${address} ${protocol} dport ${port} counter dnat to ${address}:${to}`,
  )
}

async function byIptables(run: Run, prefix: readonly string[], of: Redirect): Promise<void> {
  for (const { chain, rule } of iptablesRules(of)) {
    const iptables = [...prefix, 'iptables', '-w', '2', '-t', 'nat']
    const found = await run([...iptables, '-C', chain, ...rule])
    if (found.code === 0) continue
    if (isLocked.test(found.stderr)) succeeded(found)
    succeeded(await run([...iptables, '-I', chain, '1', ...rule]))
  }
}

function iptablesRules({ address, port, to }: Redirect): { chain: string; rule: string[] }[] {
  return ['PREROUTING', 'OUTPUT'].flatMap((chain) =>
    ['udp', 'tcp'].map((protocol) => {
      const match = ['-d', address, '-p', protocol, '--dport', String(port)]
      return { chain, rule: [...match, '-j', 'DNAT', '--to-destination', `${address}:${to}`] }
    }),
  )
}

/** An interface of this host has the address. Undefined when the system does not say. */
export function isOwn(address: Ip): boolean | undefined {
  return ownInterfaces()?.some((it) => it.address === address)
}
