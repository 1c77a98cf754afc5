import { expect, test } from 'vitest'
import type { EngineNetwork, StoppedContainer } from '../../../../../driver/engine/engine.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { givenUp, type RestartsLoop, startRestarts } from '../../../../../driver/loops/endpoints/restarts.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../../fixtures/memory-store.ts'
import { until } from '../../../../fixtures/until.ts'

const here = [{ id: 'copy', name: 'foobar' } as EngineNetwork]
const connection = { aliases: [], links: [], options: {}, linkLocal: [] }

function isStarted(error: string, more: Partial<StoppedContainer> = {}): boolean {
  const foobar = { name: 'foobar', id: 'copy', connection }
  const web = { id: 'c', name: 'web', error, hasPolicy: true, hasRun: true, networks: [foobar], ...more }
  return givenUp([web], here).length === 1
}

test('a container with a policy is started when this driver was the reason', () => {
  expect(isStarted('plugin "vxlan" not found')).toBe(true)
  expect(isStarted('plugin "vxlan" not found', { hasPolicy: false })).toBe(false)
  expect(isStarted('plugin "vxlan" not found', { hasRun: false })).toBe(false)
})

test('a container that a person stopped is not started', () => {
  expect(isStarted('')).toBe(false)
})

test('a container whose network was lost is started when it has a network again', () => {
  const named = (name: string, id: string) => ({ networks: [{ name, id, connection }] })
  expect(isStarted('network earlier not found')).toBe(true)
  expect(isStarted('network earlier not found', named('foobar', 'earlier'))).toBe(false)
  expect(isStarted('network foobar not found', named('foobar', ''))).toBe(true)
  expect(isStarted('network other not found', named('other', ''))).toBe(false)
})

function startOn(
  cluster: MemoryCluster,
  stopped: readonly StoppedContainer[],
  startContainer: () => Promise<void>,
): RestartsLoop {
  const engine = {
    stoppedContainers: async () => [...stopped],
    stoppedContainer: async (id: string) => stopped.find((it) => it.id === id),
    startContainer,
    networks: async () => here,
    network: async () => undefined,
    connect: async () => undefined,
  }
  const store = cluster.open('net-1')
  return startRestarts({ store, engine, host: 'net-1', log: silentLog, everyMs: 60_000 })
}

test('a loop that closes waits for the starts that are under way, and begins no other', async () => {
  const foobar = { name: 'foobar', id: 'copy', connection }
  const error = 'plugin "vxlan" not found'
  const stopped: StoppedContainer[] = Array.from({ length: 9 }, (_, n) => {
    return { id: `c${n}`, name: `web-${n}`, error, hasPolicy: true, hasRun: true, networks: [foobar] }
  })
  const begun: (() => void)[] = []
  let ended = 0
  const loop = startOn(createMemoryCluster(), stopped, async () => {
    await new Promise<void>((resolve) => begun.push(resolve))
    ended += 1
  })
  await until('some are being started', () => begun.length === 4)
  const closed = loop.close()
  for (const end of begun) end()
  await closed
  expect([begun.length, ended]).toEqual([4, 4])
})

test('each return of the store ends the pauses', async () => {
  const cluster = createMemoryCluster()
  const foobar = { name: 'foobar', id: 'copy', connection }
  const web = { id: 'c', name: 'web', error: 'plugin "vxlan" not found', hasPolicy: true, hasRun: true }
  const stopped: StoppedContainer = { ...web, networks: [foobar] }
  let starts = 0
  const loop = startOn(cluster, [stopped], async () => {
    starts += 1
    throw new Error('refused')
  })
  for (let n = 1; n <= 6; n++) {
    await until(`it has been tried ${n} times`, () => starts === n && loop.problems().length === 1)
    cluster.away = true
    cluster.away = false
    loop.poke()
  }
  await loop.close()
})
