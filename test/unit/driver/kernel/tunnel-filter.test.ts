/** The filter of tunnel packets as text. What the rules do: test/contract/driver/kernel. */
import { expect, test } from 'vitest'
import { keepFilter } from '../../../../driver/kernel/tunnel-filter.ts'

test('a kernel that cannot leave packets untracked gets the filter all the same, once', async () => {
  const taken: string[] = []
  const answer = (code: number, stdout = '', stderr = '') => ({ code, stdout, stderr })
  const run = async (command: readonly string[], input = '') => {
    if (command.includes('list')) {
      const rules = [...(taken.at(-1) ?? '').matchAll(/^add rule inet multihost (\w+) .*comment "(.*)"$/gm)]
      if (rules.length === 0) return answer(1, '', 'No such file or directory')
      const listed = rules.map(([, chain, comment]) => ({ rule: { chain, comment, expr: [] } }))
      const hook = (name: string, hook: string) => ({ chain: { name, hook, prio: -300, policy: 'accept' } })
      const chains = [hook('arriving', 'prerouting'), hook('leaving', 'output')]
      return answer(0, JSON.stringify({ nftables: [...chains, ...listed] }))
    }
    if (command.includes('ip')) return answer(0)
    if (input.includes('notrack')) return answer(1, '', 'Could not process rule: No such file or directory')
    taken.push(input)
    return answer(0)
  }
  const filter = { vteps: ['192.168.33.11', '192.168.33.12'], ports: [4789], vnis: [256] }
  await keepFilter(run, [], () => filter)
  await keepFilter(run, [], () => filter)
  expect(taken).toHaveLength(1)
  expect(taken[0]).toContain(
    'judge ip daddr { 192.168.33.11, 192.168.33.12 } ip saddr { 192.168.33.11, 192.168.33.12 } fib saddr . iif oif != 0 accept',
  )
})

test('no rule depends on connection tracking; members’ packets, and what routers say of them, are untracked', async () => {
  const scripts: string[] = []
  const run = async (command: readonly string[], input = '') => {
    scripts.push(input)
    return { code: command.includes('list') ? 1 : 0, stdout: '', stderr: 'No such file or directory' }
  }
  await keepFilter(run, [], () => ({
    vteps: ['192.168.33.11', 'fd00:33::11'],
    ports: [4789, 4790],
    vnis: [0, 256],
  }))
  const rules = [...(scripts.at(-1) ?? '').matchAll(/^add rule inet multihost (.*) comment ".*"$/gm)]
  const lines = rules.map(([, rule]) => rule ?? '')
  expect(lines.filter((rule) => /\bct\b/.test(rule))).toEqual([])
  expect(lines.filter((rule) => rule.includes('notrack')).join('\n')).toMatchInlineSnapshot(`
    "arriving icmp type 3 icmp code 4 @th,64,8 0x45 @th,136,8 17 @th,240,16 { 4789, 4790 } @th,320,24 { 0, 256 } notrack
    arriving icmpv6 type 2 @th,112,8 17 @th,400,16 { 4789, 4790 } @th,480,24 { 0, 256 } notrack
    judge ip daddr { 192.168.33.11 } ip saddr { 192.168.33.11 } fib saddr . iif oif != 0 notrack accept
    leaving udp dport { 4789, 4790 } @th,96,24 { 0, 256 } ip daddr { 192.168.33.11 } notrack
    judge ip6 daddr { fd00:33::11 } ip6 saddr { fd00:33::11 } fib saddr . iif oif != 0 notrack accept
    leaving udp dport { 4789, 4790 } @th,96,24 { 0, 256 } ip6 daddr { fd00:33::11 } notrack"
  `)
})

test('each rule that lets packets in or out has every host of the cluster', async () => {
  let script = ''
  const run = async (command: readonly string[], input = '') => {
    if (input.includes('add table')) script = input
    return { code: command.includes('list') ? 1 : 0, stdout: '', stderr: 'No such file or directory' }
  }
  const hosts = Array.from({ length: 300 }, (_, n) => n + 1)
  const v4 = hosts.map((n) => `10.33.${n >> 8}.${n & 255}`)
  const v6 = hosts.map((n) => `fd00:33::${n.toString(16)}`)
  await keepFilter(run, [], () => ({ vteps: [...v4, ...v6], ports: [4789], vnis: [256] }))
  const sets = [...script.matchAll(/\b(ip6?) [sd]addr \{ ([^}]*) \}/g)]
  expect(sets).toHaveLength(14)
  for (const [, protocol, members] of sets) expect(members?.split(', ')).toEqual(protocol === 'ip' ? v4 : v6)
})
