/**
 * Two whole drivers over a store in memory and a kernel in memory, made anew for each test of the file that
 * calls `useTwoHosts`.
 */
import { afterEach, beforeEach } from 'vitest'
import type { Snapshot } from '../../../../driver/core/records.ts'
import { isIdle } from '../../../../driver/core/reserve.ts'
import type { DriverOptions } from '../../../../driver/daemon/dependencies.ts'
import { hostInMemory, type TestHost } from '../../../fixtures/host.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../fixtures/memory-store.ts'
import { until } from '../../../fixtures/until.ts'

export let memory: MemoryCluster
export let net1: TestHost
export let net2: TestHost

export function useTwoHosts(): void {
  beforeEach(async () => {
    memory = createMemoryCluster()
    net1 = await host(1)
    net2 = await host(2)
  })
  afterEach(async () => {
    await Promise.all([net1[Symbol.asyncDispose](), net2[Symbol.asyncDispose]()])
  })
}

export function host(number: number, more: Partial<DriverOptions> = {}): Promise<TestHost> {
  return hostInMemory(memory, number, { more })
}

export const has = (on: TestHost, ...names: string[]) =>
  until(
    `${on.name} has the networks ${names.join(', ')}`,
    () => on.docker.ls().join() === names.sort().join(),
  )
export const isDescribed = ({ store }: TestHost): boolean =>
  [...store.snapshot().endpoints.values()].every(({ value }) => value.container !== undefined)
export const networkOn = async (on: TestHost, name: string) =>
  (await on.docker.networks()).find((it) => it.name === name)

/** Leased addresses that are in no reserve. */
export function used({ addresses }: Snapshot): number {
  return [...addresses.values()].filter(({ value }) => !isIdle(value)).length
}
