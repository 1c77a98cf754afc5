/**
 * A steady state for faults: two containers on two hosts that reach each other. Afterwards nothing may be
 * left that was not there before.
 */
import { expect } from 'vitest'
import { poll } from '../../provision/process/until.ts'
import type { Container, Host } from './host.ts'
import { sharedNetwork } from './network.ts'
import { consulHost, labHosts } from './scenario.ts'
import { storedKeys } from './store.ts'
import { together } from './together.ts'

/**
 * Everything that networks have in the lab, a line each: namespaces and container ends of links on the hosts,
 * keys in the store. Throws when a host or the store does not answer: an empty inventory would hide a leak.
 */
export async function inventory(): Promise<string[]> {
  const { hosts } = await labHosts()
  const stored = consulHost()
    .then(storedKeys)
    .then((keys) => keys.map((key) => `store ${key}`))
  return (await together([...hosts.map(onHost), stored])).flat().sort()
}

/**
 * Names of the namespaces with a VXLAN device. The engine removes the file of a namespace some time after the
 * namespace.
 */
const namespaces = `for file in /var/run/docker/netns/????????????; do
  [ -e $file ] || continue
  links=$(nsenter --net=$file ip -br link 2>&1) || [ "$(stat -f -c %T $file)" != nsfs ] || { echo "$links" >&2; exit 1; }
  case $links in *vxlan1*) echo \${file##*/} ;; esac
done`

async function onHost(host: Host): Promise<string[]> {
  const [all, inside] = await together([host.succeed`ip -br link`, host.succeed`sh -c ${namespaces}`])
  const links = all.split('\n').flatMap((line) => /^vxc[^@ ]*/.exec(line) ?? [])
  const found = inside.split('\n').filter(Boolean)
  return [...found.map((each) => `namespace ${each}`), ...links.map((each) => `link ${each}`)].map(
    (what) => `${host.name} ${what}`,
  )
}

/**
 * Runs `body` with containers `one` and `two` on network `steady`. Afterwards a third container must reach
 * `two` and have an address of its own; then, with all containers gone, the inventory must be what it was
 * before.
 */
export async function withSteadyPair(
  hostA: Host,
  hostB: Host,
  body: (a: Container, b: Container) => Promise<void>,
): Promise<void> {
  const before = await inventory()
  await inSteady(hostA, hostB, async (a, b) => {
    const places = (await inventory())
      .filter((line) => !before.includes(line))
      .map((line) => line.split(' ')[0])
    expect([...new Set(places)], 'where the inventory sees two containers').toEqual([
      hostA.name,
      hostB.name,
      'store',
    ])
    await body(a, b)
  })
  await nothingLeftSince(before)
}

/**
 * Waits until the inventory has nothing that it did not have before. What an earlier scenario left may go
 * meanwhile. `what` begins the failure's message.
 */
export async function nothingLeftSince(before: readonly string[], what = 'left behind'): Promise<void> {
  let left: readonly string[] = ['no look has succeeded']
  const look = async (): Promise<true | undefined> => {
    const now = await inventory().catch(() => undefined)
    if (now === undefined) return undefined
    // What a host keeps in the store stays there; a pool of an earlier scenario may go.
    const lost = before.filter((line) => !now.includes(line) && !line.startsWith('store pools/'))
    left = [...now.filter((line) => !before.includes(line)), ...lost.map((line) => `lost: ${line}`)]
    return left.length === 0 || undefined
  }
  await poll(look, 15_000, 200)
  expect(left, what).toEqual([])
}

async function inSteady(
  hostA: Host,
  hostB: Host,
  body: (a: Container, b: Container) => Promise<void>,
): Promise<void> {
  await using _steady = await sharedNetwork([hostA, hostB], 'steady')
  await using a = await hostA.run({ name: 'one', network: 'steady' })
  await using b = await hostB.run({ name: 'two', network: 'steady' })
  await body(a, b)
  await using late = await hostA.run({ name: 'late', network: 'steady' })
  await late.waitUntilSucceeds`ping -c1 -W1 ${b.address}`
  expect(new Set([a.address, b.address, late.address]).size).toBe(3)
}
