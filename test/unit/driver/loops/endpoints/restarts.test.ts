import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { isCalled } from '../../../../../driver/engine/docker-ids.ts'
import type { Engine, EngineNetwork, StoppedContainer } from '../../../../../driver/engine/engine.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { givenUp, type RestartsLoop, startRestarts } from '../../../../../driver/loops/endpoints/restarts.ts'
import { journalFile, type KeptIds } from '../../../../../driver/store/journal-file.ts'
import { createMemoryCluster, type MemoryCluster } from '../../../../fixtures/memory-store.ts'
import { until } from '../../../../fixtures/until.ts'

const copy = 'c0b'.repeat(21)
const here = [{ id: copy, name: 'foobar' } as EngineNetwork]
const connection = { aliases: [], links: [], options: {}, linkLocal: [] }

function isStarted(error: string, more: Partial<StoppedContainer> = {}): boolean {
  const foobar = { name: 'foobar', id: copy, connection }
  const web = {
    id: 'c',
    name: 'web',
    error,
    hasPolicy: true,
    hasRun: true,
    mode: 'foobar',
    networks: [foobar],
    ...more,
  }
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

interface More {
  begun?: KeptIds
  slowMs?: number
  connect?: Engine['connect']
  /** The engine was asked for its networks: the loop has its containers. */
  asked?: () => void
}

function startOn(
  cluster: MemoryCluster,
  stopped: readonly StoppedContainer[],
  startContainer: (id: string) => Promise<void>,
  { begun = begunStarts(), slowMs = 60_000, connect = async () => undefined, asked }: More = {},
): RestartsLoop {
  const engine = {
    stoppedContainers: async ({ onAnyNetwork } = { onAnyNetwork: false }) =>
      stopped.filter(
        ({ networks, mode }) => onAnyNetwork || networks.length > 0 || here.some((it) => isCalled(it, mode)),
      ),
    stoppedContainer: async (id: string) => stopped.find((it) => it.id === id),
    startContainer,
    networks: async () => {
      asked?.()
      return here
    },
    network: async () => undefined,
    connect,
  }
  const store = { ...cluster.open('net-1'), journal: { begunStarts: begun } }
  const intervals = { everyMs: 60_000, refusedAfterMs: 50, slowMs }
  return startRestarts({ store, engine, host: 'net-1', log: silentLog, ...intervals })
}

/** Of a driver whose journal is in memory. */
function begunStarts(): KeptIds {
  return journalFile(async () => undefined, silentLog).begunStarts
}

test('a loop that closes waits for the starts that are under way, and begins no other', async () => {
  const foobar = { name: 'foobar', id: copy, connection }
  const error = 'plugin "vxlan" not found'
  const stopped: StoppedContainer[] = Array.from({ length: 9 }, (_, n) => {
    return {
      id: `c${n}`,
      name: `web-${n}`,
      error,
      hasPolicy: true,
      hasRun: true,
      mode: 'foobar',
      networks: [foobar],
    }
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
  const foobar = { name: 'foobar', id: copy, connection }
  const web = { id: 'c', name: 'web', error: 'plugin "vxlan" not found', hasPolicy: true, hasRun: true }
  const stopped: StoppedContainer = { ...web, mode: 'foobar', networks: [foobar] }
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

const joinFailed = 'failed to set up container networking: NetworkDriver.Join: the kernel refuses it'

test('a container that Docker has taken off its network is connected as before, and then started', async () => {
  const chosen = { ...connection, aliases: ['www'], v4: '10.9.0.9' }
  const whole = leader({ mode: 'foobar', networks: [{ name: 'foobar', id: copy, connection: chosen }] })
  const stopped = [whole]
  const done: unknown[] = []
  const start = async (): Promise<void> => {
    done.push('start')
    if (done.length > 1) return void stopped.pop()
    stopped.splice(0, 1, { ...whole, error: joinFailed, networks: [] })
    throw new Error(joinFailed)
  }
  const connect: Engine['connect'] = async (network, _, as) => {
    done.push([network, as])
    stopped.splice(0, 1, { ...whole, error: joinFailed })
  }
  const loop = startOn(createMemoryCluster(), stopped, start, { connect })
  await until('it is started', () => stopped.length === 0)
  await loop.close()
  expect(done).toEqual(['start', ['foobar', chosen], 'start'])
})

test('a network that a person has taken away after a Join that failed stays away', async () => {
  const foobar = { name: 'foobar', id: copy, connection }
  const other = { name: 'other', id: 'other', connection }
  const whole = leader({ mode: 'other', networks: [foobar, other] })
  const stopped = [whole]
  const done: string[] = []
  const start = async (): Promise<void> => {
    done.push('start')
    stopped.splice(0, 1, { ...whole, error: joinFailed })
    throw new Error(joinFailed)
  }
  const connect = async (): Promise<void> => void done.push('connect')
  let looks = 0
  const asked = (): void => {
    looks += 1
  }
  const loop = startOn(createMemoryCluster(), stopped, start, { connect, asked })
  await until('its start has failed twice', () => done.length === 2)
  await until('the loop rests', () => loop.status().state === 'idle')
  const before = looks
  loop.poke()
  await until('the loop has looked', () => looks > before && loop.status().state === 'idle')
  stopped.splice(0, 1, { ...whole, error: joinFailed, networks: [other] })
  await until('its start has failed once more', () => done.length === 3)
  await loop.close()
  expect(done).not.toContain('connect')
})

test.each(['foobar', copy, copy.slice(0, 12)])(
  'a container that lacks its network %s, and was not seen with it, waits for a person',
  async (mode) => {
    const stopped = [leader({ mode, error: joinFailed, networks: [] })]
    let starts = 0
    const engineCalls = async (): Promise<void> => {
      starts += 1
    }
    const loop = startOn(createMemoryCluster(), stopped, engineCalls, { connect: engineCalls })
    await until('it is named', () => loop.problems().length === 1)
    await loop.close()
    expect(starts).toBe(0)
    expect(loop.problems()[0]).toContain('docker network connect foobar vpn, with its --alias and --ip')
  },
)

/** Moby gives up a start whose client goes away: the call has no answer, and the container has this error. */
const cutOff = 'could not load stale containerd container object: context canceled'

test('a start that was cut off is begun again, by the next driver too', async () => {
  const begun = begunStarts()
  const stopped = [leader()]
  const cut = startOn(
    createMemoryCluster(),
    stopped,
    async () => {
      stopped.splice(0, 1, leader({ error: cutOff }))
      throw new DriverError('unavailable', 'no answer within 30 s')
    },
    { begun },
  )
  await until('it was cut off', () => cut.problems().length === 1)
  await cut.close()
  const next = startOn(createMemoryCluster(), stopped, async () => void stopped.pop(), { begun })
  await until('it is started', () => stopped.length === 0)
  next.poke()
  await until('the start counts as over', () => begun.all().length === 0)
  await next.close()
})

test('a start that a person has cut off is left alone', async () => {
  expect(await startedAmong([leader({ error: cutOff })])).toEqual([])
})

test('a slow start goes on, and holds up no other container', async () => {
  const stopped = Array.from({ length: 6 }, (_, n) => leader({ id: `c${n}`, name: `web-${n}` }))
  const started: string[] = []
  const ends: (() => void)[] = []
  let ended = 0
  const loop = startOn(
    createMemoryCluster(),
    stopped,
    async (id) => {
      started.push(id)
      if (started.length > 4) return
      await new Promise<void>((resolve) => ends.push(resolve))
      ended += 1
    },
    { slowMs: 50 },
  )
  await until('all are begun', () => started.length === 6)
  await until('the loop rests', () => loop.status().state === 'idle')
  expect(loop.problems()).toEqual([])
  loop.poke()
  await until('the others are tried again', () => started.length === 8)
  expect(started.slice(6).sort()).toEqual(started.slice(4, 6).sort())
  const closed = loop.close()
  for (const end of ends) end()
  await closed
  expect(ended).toBe(4)
})

/** A container that shares the namespace of another one, or has a link to it. */
function follower(name: string, error: string, more: Partial<StoppedContainer> = {}): StoppedContainer {
  return { id: name, name, error, hasPolicy: true, hasRun: true, mode: '', networks: [], ...more }
}

function leader(more: Partial<StoppedContainer> = {}): StoppedContainer {
  const foobar = { name: 'foobar', id: copy, connection }
  return follower('vpn', 'plugin "vxlan" not found', { id: 'a'.repeat(64), networks: [foobar], ...more })
}

/** Names in the order in which they were started, when there are `count` of them or the loop rests. */
async function startedAmong(given: StoppedContainer[], count = 0): Promise<string[]> {
  const stopped = [...given]
  const started: string[] = []
  const loop = startOn(createMemoryCluster(), stopped, async (id) => {
    const at = stopped.findIndex((it) => it.id === id)
    started.push(...stopped.splice(at, 1).map(({ name }) => name))
  })
  await until('the loop rests', () => loop.status().state === 'idle' && started.length >= count)
  await loop.close()
  return started
}

test('containers that share a namespace with one that was given up, or have a link to it, follow it', async () => {
  const id = 'a'.repeat(64)
  const given = [
    follower('web', 'cannot join network of a non running container: torrent'),
    follower('torrent', `cannot join network of a non running container: ${id}`),
    follower('sidecar', 'cannot join network namespace of a non running container: container vpn is exited'),
    follower('linked', 'Cannot link to a non running container: /vpn AS /linked/vpn'),
    follower('ipc', `failed to join IPC namespace: container ${id.slice(0, 12)} is not running`),
    leader(),
  ]
  const started = await startedAmong(given, given.length)
  expect(started[0]).toBe('vpn')
  expect(started.at(-1)).toBe('web')
  expect(started.slice(1, -1).sort()).toEqual(['ipc', 'linked', 'sidecar', 'torrent'])
})

test('a container that follows one which was not given up is left alone', async () => {
  const error = 'cannot join network of a non running container: vpn'
  expect(await startedAmong([follower('torrent', error)])).toEqual([])
  expect(await startedAmong([follower('torrent', error), leader({ error: '' })])).toEqual([])
  expect(await startedAmong([follower('torrent', error), leader({ hasPolicy: false })])).toEqual([])
})

test('a follower without a policy, one that never ran and one of another container are left alone', async () => {
  const error = 'cannot join network of a non running container: vpn'
  const started = await startedAmong([
    leader(),
    follower('manual', error, { hasPolicy: false }),
    follower('new', error, { hasRun: false }),
    follower('other', 'cannot join network of a non running container: vpn-2'),
    follower('stopped', ''),
  ])
  expect(started).toEqual(['vpn'])
})
