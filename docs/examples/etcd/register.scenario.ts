import { atEnd } from 'multihost/kit/at-end'
import { type History, type RegisterInput, recordHistory, register, violations } from 'multihost/kit/history'
import type { Host } from 'multihost/kit/host'
import { scenario } from 'multihost/kit/scenario'
import { together } from 'multihost/kit/together'
import { expect } from 'vitest'

/** Writes and reads on one member in turn, until `isOver` or the member's host is off. */
async function client(host: Host, history: History<RegisterInput, string | null>, isOver: () => boolean) {
  for (let i = 0, alive = true; alive && !isOver(); i++) {
    const value = `${host.name}:${i}`
    await history.run(host.name, 'x', i % 2 === 0 ? { write: value } : { read: true }, async () => {
      if (i % 2 === 1) {
        const { code, stdout } = await host.run`etcdctl --command-timeout=2s get --print-value-only x`
        return code === 0 ? { outcome: 'ok', output: stdout.trim() || null } : { outcome: 'failed' }
      }
      const { code } = await host.run`etcdctl --command-timeout=2s put x ${value}`
      alive = code !== 255
      return { outcome: code === 0 ? 'ok' : 'unknown' }
    })
  }
}

scenario('a partition and a power failure', { timeout: 240_000 }, async ({ hosts, faults }) => {
  await hosts[0].succeed`etcdctl del x`
  const [alone, ...majority] = hosts
  const history = recordHistory<RegisterInput, string | null>()
  let isOver = false
  const clients = together(hosts.map((host) => client(host, history, () => isOver)))
  const works = (host: Host) => host.within(20_000).waitUntilSucceeds`etcdctl put works yes`
  {
    await using _ended = atEnd(() => {
      isOver = true
      return clients
    })
    const cuts = []
    for (const host of majority) cuts.push(await faults.partition(alone, host))
    await alone.fail`etcdctl --command-timeout=2s put works no`
    await together(majority.map(works))
    for (const cut of cuts) await cut.heal()
    await using off = await faults.off(hosts[1])
    await works(alone)
    await off.heal()
    await together(hosts.map(works))
  }
  expect(history.operations.filter(({ outcome }) => outcome === 'ok').length).toBeGreaterThan(20)
  expect(violations(history.operations, register)).toEqual([])
})
