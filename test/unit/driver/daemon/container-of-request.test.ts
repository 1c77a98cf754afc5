import { describe, expect, test } from 'vitest'
import {
  createStartingContainer,
  type FollowedContainers,
} from '../../../../driver/daemon/container-of-request.ts'
import type { EngineContainer, EngineEvent } from '../../../../driver/engine/engine.ts'
import { fastestOf } from '../../../fixtures/fastest-of.ts'
import { cluster, createNetwork, type Host, id, run, stop } from '../verbs/cluster.ts'

const described = {} as EngineContainer
const never = new Promise<undefined>(() => undefined)
const event = (action: string, container: string): EngineEvent => {
  return { type: 'container', action, id: container, attributes: {} }
}

interface State {
  starts?: string[]
  removed?: string[]
  /** Nothing is answered: the engine is busy, or is not there. */
  engine?: 'silent' | 'away'
  asked?: string[]
}

/** An engine that starts some containers, and has removed others. */
function engineThat(state: State) {
  const clock = { now: new Date('2026-01-01T00:00:00Z') }
  const answer = <T>(value: T): Promise<T> => {
    if (state.engine === 'away') return Promise.reject(new Error('away'))
    return state.engine === 'silent' ? (never as Promise<never>) : Promise.resolve(value)
  }
  const container = (name: string) => {
    state.asked?.push(name)
    if (state.starts?.includes(name)) return never
    return answer(state.removed?.includes(name) ? undefined : described)
  }
  const has = () => answer(true)
  return { clock, starting: createStartingContainer({ container, has }, () => clock.now) }
}

describe('the engine', () => {
  test('does not describe the container that it starts', async () => {
    const { starting } = engineThat({ starts: ['b'] })
    expect(await starting.among(['a', 'b', 'c'])).toEqual(new Set(['b']))
    expect(await starting.among(['a', 'c'])).toEqual(new Set())
    expect(await starting.among(['b'])).toEqual(new Set(['b']))
    expect(await starting.among([])).toEqual(new Set())
  })

  test('is asked about all owners, also where the one that starts is the last of many', async () => {
    const { starting } = engineThat({ starts: ['c49'] })
    const owners = Array.from({ length: 50 }, (_, i) => `c${i}`)
    expect(await starting.among(owners)).toEqual(new Set(['c49']))
    expect(await starting.among(owners.slice(0, 49))).toEqual(new Set())
  })

  test('that describes none of several is not asked again at once', async () => {
    const state = { starts: ['a', 'b'] }
    const { starting, clock } = engineThat(state)
    expect(await starting.among(['a', 'b'])).toEqual(new Set())
    state.starts = ['a']
    expect(await starting.among(['a', 'b'])).toEqual(new Set())
    clock.now = new Date('2026-01-01T00:00:06Z')
    expect(await starting.among(['a', 'b'])).toEqual(new Set(['a']))
  })

  test.each(['silent', 'away'] as const)(
    'that is %s: the only container that left an address is taken for the one that starts, unless one is new',
    async (engine) => {
      const { starting, clock } = engineThat({ engine })
      expect(await starting.among(['a'])).toEqual(new Set(['a']))
      clock.now = new Date('2026-01-01T00:00:06Z')
      starting.happened(event('create', 'new'))
      expect(await starting.among(['a'])).toEqual(new Set())
      expect(await starting.among(['a', 'b'])).toEqual(new Set())
      clock.now = new Date('2026-01-01T00:01:00Z')
      expect(await starting.among(['a'])).toEqual(new Set(['a']))
    },
  )

  test('that answered nothing is not asked again at once', async () => {
    const state: State = { engine: 'silent', asked: [] }
    const { starting, clock } = engineThat(state)
    for (const _ of [1, 2, 3]) await starting.among(['a'])
    expect(state.asked).toEqual(['a'])
    clock.now = new Date('2026-01-01T00:00:06Z')
    await starting.among(['a'])
    expect(state.asked).toEqual(['a', 'a'])
  })

  test('is asked for the only container too, and costs its restart some milliseconds', async () => {
    const asked = async () =>
      expect(await engineThat({ starts: ['a'] }).starting.among(['a'])).toEqual(new Set(['a']))
    expect(await fastestOf(5, asked)).toBeLessThan(100)
  })

  test('is not taken for one that starts the container when only the answer comes late', async () => {
    const late = (ms: number) => new Promise<EngineContainer>((done) => setTimeout(done, ms, described))
    const has = () => late(30).then(() => true)
    const starting = createStartingContainer({ container: () => late(50), has }, () => new Date())
    expect(await starting.among(['a'])).toEqual(new Set())
  })

  test('says what it has removed', async () => {
    const { starting } = engineThat({ removed: ['a'] })
    starting.happened(event('destroy', 'z'))
    await starting.among(['a', 'b'])
    expect(['a', 'b', 'z'].map(starting.isGone)).toEqual([true, false, true])
  })

  test('has a new container until it starts or goes', async () => {
    const { starting } = engineThat({ engine: 'away' })
    for (const end of ['start', 'die', 'destroy']) {
      starting.happened(event('create', 'a'))
      expect(await starting.among(['web'])).toEqual(new Set())
      starting.happened(event(end, 'a'))
      expect(await starting.among(['web']), end).toEqual(new Set(['web']))
    }
  })
})

describe('of an address that a container left,', () => {
  const network = id('a')
  const pool = '10.9.0.0/16'
  const endpoint = (n: number) => id(`e${n}`)

  async function withStopped(...names: string[]) {
    const state = { starts: [] as string[], removed: [] as string[] }
    const { starting, clock } = engineThat(state)
    const host = cluster().host(1, { starting })
    await createNetwork(host, { id: network, subnet: pool })
    const addresses = new Map<string, string>()
    for (const [n, name] of names.entries()) addresses.set(name, await started(host, n, name))
    for (const [n, name] of names.entries()) {
      host.clock.now = new Date(host.clock.now.getTime() + 1000)
      await stop(host, { network, pool, endpoint: endpoint(n), ip: addresses.get(name) ?? '' })
    }
    let last = names.length
    return { host, state, starting, clock, addresses, start: (name: string) => started(host, last++, name) }
  }

  /** The endpoints loop learns the container from the engine. */
  async function started(host: Host, n: number, container: string): Promise<string> {
    const ip = await run(host, { network, pool, endpoint: endpoint(n) })
    const [key, record] =
      [...host.store.snapshot().endpoints].find(([, { value }]) => value.id === endpoint(n)) ?? []
    if (key === undefined || record === undefined) throw new Error('no endpoint was made')
    const value = { ...record.value, container: { id: container, name: container } }
    await host.store.commit([{ op: 'update', table: 'endpoints', key, value, index: record.index }])
    return ip
  }

  const begins = (starting: FollowedContainers, name: string) => starting.happened(event('create', name))

  test('the container gets it again, in any order of several starts', async () => {
    const { state, addresses, start } = await withStopped('a', 'b', 'c')
    for (const name of ['a', 'c', 'b']) {
      state.starts = [name]
      expect(await start(name), name).toBe(addresses.get(name))
    }
  })

  test('another, new container does not get it', async () => {
    const { starting, state, addresses, start } = await withStopped('web')
    begins(starting, 'other')
    const other = await start('other')
    expect(other).not.toBe(addresses.get('web'))
    starting.happened(event('start', 'other'))
    state.starts = ['web']
    expect(await start('web')).toBe(addresses.get('web'))
  })

  test.each([
    'was created long before',
    'is connected while it runs, or was created before the driver began',
  ])('another container that %s does not get it', async (which) => {
    const { starting, clock, state, addresses, start } = await withStopped('web')
    if (which.startsWith('was')) begins(starting, 'other')
    clock.now = new Date(clock.now.getTime() + 60_000)
    expect(await start('other')).not.toBe(addresses.get('web'))
    state.starts = ['web']
    expect(await start('web')).toBe(addresses.get('web'))
  })

  test('a new container gets it when the old one was removed', async () => {
    const { starting, addresses, start } = await withStopped('web')
    starting.happened(event('destroy', 'web'))
    begins(starting, 'next')
    expect(await start('next')).toBe(addresses.get('web'))
  })

  test('the container gets it also while another one is new', async () => {
    const { starting, state, addresses, start } = await withStopped('web')
    begins(starting, 'other')
    state.starts = ['web']
    expect(await start('web')).toBe(addresses.get('web'))
  })

  test('no other container gets it while the engine describes none, as at boot', async () => {
    const { state, addresses, start } = await withStopped('a', 'b', 'c')
    state.starts = ['a', 'b', 'c']
    for (const name of ['c', 'a', 'b']) {
      const others = [...addresses].filter(([other]) => other !== name).map(([, ip]) => ip)
      expect(others, name).not.toContain(await start(name))
    }
  })

  test('the one that stopped first gets its own first, when several start together', async () => {
    const { state, addresses, start } = await withStopped('a', 'b', 'c')
    state.starts = ['a', 'b']
    expect(await start('a')).toBe(addresses.get('a'))
    expect(await start('b')).toBe(addresses.get('b'))
  })

  test('it is free a minute after the container got another one; one that is stopped keeps its own', async () => {
    const { host, starting, state, addresses, start } = await withStopped('stopped', 'a', 'b')
    state.starts = ['a', 'b', 'stopped']
    await start('a')
    await start('b')
    begins(starting, 'new')
    const left = [addresses.get('a'), addresses.get('b')]
    expect(left).not.toContain(await start('soon'))
    host.clock.now = new Date(host.clock.now.getTime() + 61_000)
    state.starts = []
    expect(left).toContain(await start('new'))
  })
})
