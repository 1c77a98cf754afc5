/**
 * Networks and pairs of containers for the length of a scope: created on one host, present on all, gone from
 * all when the scope ends.
 *
 * @example
 *     await using blue = await sharedNetwork([hostA, hostB], 'blue')
 *     await using two = await pair(hostA, hostB, blue.name)
 */
import { expect } from 'vitest'
import { teardownBegins } from './before-teardown.ts'
import { subject } from './current-subject.ts'
import type { Container, Host } from './host.ts'
import { undoAfter } from './suppressed.ts'
import { together } from './together.ts'

export interface SharedNetwork extends AsyncDisposable {
  name: string
  /** Docker's id on the host that created it. */
  id: string
}

type Hosts = readonly [Host, ...Host[]]

/**
 * Creates the network on the first host and waits for it on the others. `args`: further words of
 * `docker network create`.
 */
export async function sharedNetwork(
  hosts: Hosts,
  name: string,
  args: readonly string[] = [],
): Promise<SharedNetwork> {
  const network = await createdOnFirst(hosts, name, args)
  await together(hosts.slice(1).map((host) => arrives(host, name, args))).catch((error: unknown) =>
    undoAfter(error, () => network[Symbol.asyncDispose]()),
  )
  return network
}

/** Creates the network on the first host, without waiting for it on the others. */
export async function createdOnFirst(
  [creator, ...others]: Hosts,
  name: string,
  args: readonly string[] = [],
): Promise<SharedNetwork> {
  const id = await creator.succeed`docker network create ${subject.create} ${args} ${name}`
  return {
    name,
    id,
    async [Symbol.asyncDispose]() {
      await teardownBegins()
      for (const host of subject.spreads === 'perhaps' ? [creator, ...others] : [creator]) {
        // Removal is refused until the other hosts have reported that their last containers left.
        await host.waitUntilSucceeds`docker network rm ${name} > /dev/null 2>&1; sh -c ${hasNo(name)}`
      }
      for (const host of others) await gone(host, name)
    },
  }
}

/**
 * While Consul is away, a new network is refused within 5 s with an error that names Consul: by the driver,
 * as dockerd asks it, and in the words of the user's command.
 */
export async function refusesNew(host: Host): Promise<void> {
  const ask = `curl -s --max-time 5 --unix-socket /run/docker/plugins/vxlan.sock -d '{"AddressSpace":"multihost"}' http://localhost/IpamDriver.RequestPool`
  expect(await host.succeed`sh -c ${ask}`).toMatch(/Consul/)
  const words = await host.fail`timeout 20 docker network create -d vxlan --ipam-driver vxlan more`
  expect(words).toMatch(/Consul/)
}

const appearsWithinMs = 2000

async function arrives(host: Host, name: string, args: readonly string[]): Promise<void> {
  if (subject.spreads === 'with a container') return
  if (subject.spreads === 'by itself') {
    await host.waitUntilSucceeds`docker network inspect ${name} > /dev/null`
    return
  }
  try {
    await host.within(appearsWithinMs).waitUntilSucceeds`docker network inspect ${name} > /dev/null`
  } catch {
    await host.succeed`docker network create ${subject.create} ${args} ${name}`
  }
}

/** Waits until the host's engine has no network of that name. */
export async function gone(host: Host, name: string): Promise<void> {
  await host.waitUntilSucceeds`sh -c ${hasNo(name)}`
}

/**
 * Shell: true when the engine lists its networks and `name` is not among them. `docker network inspect` would
 * also fail for an engine that does not answer.
 */
export const hasNo = (name: string) =>
  `networks=$(/usr/bin/docker network ls --format '{{.Name}}') && ! echo "$networks" | grep -qx ${name}`

export interface Pair extends AsyncDisposable {
  a: Container
  b: Container
}

/**
 * Starts containers `one` and `two`, one on each host. Checks that their addresses differ: else each would
 * ping itself.
 */
export async function pair(here: Host, there: Host, network: string): Promise<Pair> {
  const a = await here.run({ name: 'one', network })
  const b = await there
    .run({ name: 'two', network })
    .catch((error: unknown) => undoAfter(error, () => a[Symbol.asyncDispose]()))
  expect(b.address, 'address of two').not.toBe(a.address)
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await teardownBegins()
      await together([a.remove(), b.remove()])
    },
  }
}
