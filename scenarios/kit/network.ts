/**
 * A network for the length of a scope: made on one host, there on both, and gone from both afterwards.
 */
import { expect } from 'vitest'
import { driver } from '../subjects/driver.ts'
import { takingDown } from './before-teardown.ts'
import type { Container, Host } from './host.ts'
import { together } from './together.ts'

export interface SharedNetwork extends AsyncDisposable {
  name: string
  /** Docker's id on the host that created it. */
  id: string
}

type Hosts = readonly [Host, ...Host[]]

/** `args` are further words of `docker network create`. */
export async function sharedNetwork(
  hosts: Hosts,
  name: string,
  args: readonly string[] = [],
): Promise<SharedNetwork> {
  const network = await madeOnFirst(hosts, name, args)
  for (const host of hosts.slice(1)) await arrives(host, name, args)
  return network
}

/** The same, without waiting for it on the others. */
export async function madeOnFirst(
  [creator, ...others]: Hosts,
  name: string,
  args: readonly string[] = [],
): Promise<SharedNetwork> {
  const id = await creator.succeed`docker network create ${driver.create} ${args} ${name}`
  return {
    name,
    id,
    async [Symbol.asyncDispose]() {
      await takingDown()
      for (const host of driver.spreads === 'perhaps' ? [creator, ...others] : [creator]) {
        // Again and again: another host may still be saying that its last container has left.
        await host.waitUntilSucceeds`docker network rm ${name} > /dev/null 2>&1; sh -c ${hasNo(name)}`
      }
      for (const host of others) await gone(host, name)
    },
  }
}

const appearsWithinMs = 2000

async function arrives(host: Host, name: string, args: readonly string[]): Promise<void> {
  if (driver.spreads === 'with a container') return
  if (driver.spreads === 'by itself') {
    await host.waitUntilSucceeds`docker network inspect ${name} > /dev/null`
    return
  }
  try {
    await host.within(appearsWithinMs).waitUntilSucceeds`docker network inspect ${name} > /dev/null`
  } catch {
    await host.succeed`docker network create ${driver.create} ${args} ${name}`
  }
}

export async function gone(host: Host, name: string): Promise<void> {
  await host.waitUntilSucceeds`sh -c ${hasNo(name)}`
}

/** By its list: of an engine that does not answer it would be true as well that the network cannot be inspected. */
export const hasNo = (name: string) =>
  `networks=$(/usr/bin/docker network ls --format '{{.Name}}') && ! echo "$networks" | grep -qx ${name}`

export interface Pair extends AsyncDisposable {
  a: Container
  b: Container
}

/** Containers `one` and `two`, one on each host, on one network; of one address, each would only ping itself. */
export async function pair(here: Host, there: Host, network: string): Promise<Pair> {
  const a = await here.run({ name: 'one', network })
  const b = await there.run({ name: 'two', network })
  expect(b.address, 'address of two').not.toBe(a.address)
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await takingDown()
      await together([a.remove(), b.remove()])
    },
  }
}
