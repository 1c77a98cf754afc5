/** `multihost join` on a machine in memory: a file, a unit and a driver that claims its name. */
import { describe, expect, test } from 'vitest'
import type { Status } from '../../../../driver/control/status.ts'
import { DriverError } from '../../../../driver/core/errors.ts'
import { type Finding, missing, ok } from '../../../../driver/membership/finding.ts'
import { type JoinParts, join } from '../../../../driver/membership/join.ts'
import { wordsIn } from '../../../../driver/membership/options-file.ts'
import { wantedBy } from '../../../../driver/membership/settings.ts'

const member = {
  host: 'net-3',
  hosts: [{ name: 'net-3', alive: true }],
  store: { fresh: true, doubt: undefined },
} as Status

function machine(text = '') {
  const state = {
    ...{
      text,
      isEnabled: false,
      isActive: false,
      isStarting: false,
      isNamed: false,
      answers: member as unknown,
    },
    log: [] as string[],
    stays: undefined as string | undefined,
    isOwnStore: false,
    apart: [] as string[],
    /** Ends the command before the step of this name. */
    killedBefore: '',
  }
  const step = (name: string): void => {
    if (state.killedBefore === name) throw new Error('killed')
    state.log.push(name)
  }
  const parts = (words: string[], findings: Finding[] = [ok('kernel', 'fine')]): JoinParts => {
    const [store = '', ...options] = words
    return {
      wanted: wantedBy(store, options),
      unit: {
        async state() {
          const { isEnabled, isActive, isStarting } = state
          return { isInstalled: true, isEnabled, isActive, isStarting }
        },
        async start() {
          step('start')
          Object.assign(state, { isEnabled: true, isActive: true, isNamed: state.answers === member })
        },
        async stop() {
          step('stop')
          Object.assign(state, { isEnabled: false, isActive: false })
        },
        async restore({ isEnabled, isActive }) {
          step('restore')
          Object.assign(state, { isEnabled, isActive })
        },
      },
      readOptions: async () => state.text,
      async writeOptions(now) {
        step('write')
        state.text = now
      },
      hasName: async () => state.isNamed,
      mayNameDns: async () => true,
      isOwnStore: async () => state.isOwnStore,
      oldServersApart: async () => state.apart,
      examine: async () => findings,
      status: async () => state.answers as Status,
      async withdraw() {
        step('withdraw')
        state.isNamed = false
        return state.stays
      },
      ...{ claimsWithinMs: 20, startsWithinMs: 20, pollEveryMs: 5 },
    }
  }
  return { state, parts }
}

const words = ['consul://192.168.33.10:8500', '--bind-interface=eth1']

test('writes the options, starts the unit, and waits for the name', async () => {
  const { state, parts } = machine('# mine\n')
  expect(await join(parts(words))).toMatchObject({ is: 'joined', status: member })
  expect(state.log).toEqual(['write', 'start'])
  expect(state.text).toContain(
    'MULTIHOST_OPTS="--kv-store=consul://192.168.33.10:8500 --bind-interface=eth1"',
  )
})

test('twice it says that the host is a member, and changes nothing; the order of options does not count', async () => {
  const { state, parts } = machine()
  await join(parts([...words, '--log-level=debug']))
  state.log = []
  expect(await join(parts([...words, '--log-level', 'debug']))).toEqual({ is: 'already' })
  expect(
    await join(parts(['consul://192.168.33.10:8500', '--log-level=debug', '--bind-interface=eth1'])),
  ).toEqual({ is: 'already' })
  expect(state.log).toEqual([])
})

test('another store is refused and both are named; other options are refused', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  state.log = []
  await expect(join(parts(['consul://192.168.33.20:8500']))).rejects.toThrow(
    /at consul:\/\/192.168.33.10:8500\/multihost, and not of the one at consul:\/\/192.168.33.20:8500\/multihost/,
  )
  await expect(join(parts(['consul://192.168.33.10:8500']))).rejects.toThrow(/with other options: --kv-store/)
  const more = join(parts(['consul://192.168.33.20,192.168.33.10']))
  await expect(more, 'a server more').rejects.toThrow(/with other options: --kv-store/)
  expect(state.log).toEqual([])
})

test('another address of the own store is taken; another option or another cluster is not', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  Object.assign(state, { isOwnStore: true, log: [] })
  await expect(join(parts(['consul://192.168.33.20:8500']))).rejects.toThrow(/not of the one at/)
  const moved = ['consul://192.168.33.20:8500', '--bind-interface=eth1']
  expect(await join(parts(moved))).toMatchObject({ is: 'joined' })
  expect(state.log).toEqual(['write', 'start'])
  expect(state.text).toContain(
    'MULTIHOST_OPTS="--kv-store=consul://192.168.33.20:8500 --bind-interface=eth1"',
  )
  state.isOwnStore = false
  await expect(join(parts(words))).rejects.toThrow(/not of the one at/)
})

test('the own store under another address is not taken while the old Consul answers beside it', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  Object.assign(state, { isOwnStore: true, apart: ['consul://192.168.33.10:8500/multihost'], log: [] })
  const moved = ['consul://192.168.33.20:8500', '--bind-interface=eth1']
  await expect(join(parts(moved))).rejects.toMatchObject({
    code: 'taken',
    message: expect.stringMatching(
      /^stop the old Consul first: it still answers on consul:\/\/192.168.33.10:8500\/multihost, .* at consul:\/\/192.168.33.20:8500\/multihost/,
    ),
  })
  expect(state.log).toEqual([])
  state.apart = []
  expect(await join(parts(moved))).toMatchObject({ is: 'joined' })
})

test('with something missing nothing is changed', async () => {
  const { state, parts } = machine('# mine\n')
  const findings = [ok('kernel', 'fine'), missing('store', 'silent', 'start it')]
  expect(await join(parts(words, findings))).toEqual({ is: 'refused', findings })
  expect(state).toMatchObject({ log: [], text: '# mine\n' })
})

describe('a driver that claims no name', () => {
  test.each<[string, unknown, RegExp]>([
    ['waits', { waiting: 'another live host is called net-3' }, /another live host is called net-3/],
    [
      'has no store',
      { ...member, store: { fresh: false, url: 'x', lastError: 'refused' } },
      /is away: refused/,
    ],
    [
      'doubts',
      { ...member, store: { fresh: true, doubt: { why: 'it is another cluster' } } },
      /another cluster/,
    ],
    ['is not shown', { ...member, hosts: [{ name: 'net-3', alive: false }] }, /does not show net-3 as alive/],
  ])('and %s: everything is as before', async (_, answers, why) => {
    const { state, parts } = machine('# mine\n')
    state.answers = answers
    await expect(join(parts(words))).rejects.toThrow(why)
    await expect(join(parts(words))).rejects.toThrow(/within 0.02 s: .*everything is as before/)
    expect(state).toMatchObject({ text: '# mine\n', isEnabled: false, isActive: false, isNamed: false })
  })
})

test('a member whose driver does not start again stays a member: nothing of it is removed', async () => {
  const { state, parts } = machine()
  await join(parts([...words, '--log-level=debug']))
  Object.assign(state, { isEnabled: false, isActive: false, log: [], answers: { waiting: 'no interface' } })
  const { text } = state
  await expect(join(parts([...words, '--log-level=debug']))).rejects.toThrow(/no interface/)
  expect(state.log).toEqual(['write', 'start', 'write', 'restore'])
  expect(state).toMatchObject({ text, isEnabled: false, isActive: false })
})

test('options of a person, and what the store keeps, are not passed over', async () => {
  const { state, parts } = machine('MULTIHOST_OPTS="--kv-store=consul://a"\n')
  Object.assign(state, { answers: { waiting: 'no interface' }, stays: 'its records stay' })
  await expect(join(parts(words))).rejects.toThrow(/its records stay/)
  expect(state.text).toBe('MULTIHOST_OPTS="--kv-store=consul://a"\n')
})

test('a member whose driver waits is told why', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  state.answers = { waiting: 'another live host is called net-3' }
  await expect(join(parts(words))).rejects.toThrow(/member already, and its driver waits: another live host/)
})

test.each(['write', 'start'])('killed before the step %s, it can be repeated', async (before) => {
  const { state, parts } = machine()
  const killed = parts(words)
  state.killedBefore = before
  // A killed process takes nothing back.
  const dead = new Promise<never>(() => undefined)
  killed.withdraw = () => dead
  killed.unit.stop = () => dead
  void join(killed).catch(() => undefined)
  await expect.poll(() => state.log.length).toBe(before === 'write' ? 0 : 1)
  state.killedBefore = ''
  expect(await join(parts(words))).toMatchObject({ is: 'joined' })
  expect(state).toMatchObject({ isEnabled: true, isActive: true, isNamed: true })
})

test.each([
  { isActive: true, isStarting: false },
  { isActive: false, isStarting: true },
])(
  'killed while its driver claims the name, it waits for that one and examines nothing: %o',
  async (unit) => {
    const { state, parts } = machine()
    await join(parts(words))
    Object.assign(state, { ...unit, isNamed: false, answers: { waiting: 'the name is claimed' }, log: [] })
    const again = parts(words, [missing('host name', 'another live host is called net-3', 'wait')])
    again.startsWithinMs = 5000
    const joining = join(again)
    await new Promise((resolve) => setTimeout(resolve, 20))
    Object.assign(state, { answers: member, isNamed: true })
    expect(await joining).toMatchObject({ is: 'joined', status: member })
    expect(state.log).toEqual([])
  },
)

test('a driver that claims no name is examined with its host', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  Object.assign(state, { isNamed: false, answers: { waiting: 'another live host is called net-3' } })
  const found = [missing('host name', 'another live host is called net-3', 'wait')]
  expect(await join(parts(words, found))).toEqual({ is: 'refused', findings: found })
})

test('killed while the driver starts, it can be repeated, with another store too', async () => {
  const { state, parts } = machine()
  await join(parts(words))
  Object.assign(state, { isNamed: false, log: [] })
  expect(await join(parts(words))).toMatchObject({ is: 'joined' })
  Object.assign(state, { isNamed: false, isActive: false, log: [] })
  expect(await join(parts(['consul://192.168.33.20:8500']))).toMatchObject({ is: 'joined' })
})

test.each([
  ['--kv-token-file=token', /--kv-token-file=token is not an absolute path/],
  ['--kv-ca-file=/root/ca.pem', /does not see the file of --kv-ca-file=\/root\/ca.pem/],
  ['--colour=red', /Unknown option '--colour'/],
])('%s is a wrong word', (word, why) => {
  expect(() => wantedBy('consul://a', [word])).toThrow(why)
})

test.each([
  ['net-1', /'net-1' is not an address of a store/],
  ['consul://192.168.33.10,,192.168.33.20', /is not an address of a store/],
  ['consul://192.168.33.10,192.168.33.10:8500', /names 192.168.33.10:8500 twice/],
])('the store %s is a wrong word', (store, why) => {
  expect(() => wantedBy(store, [])).toThrow(why)
})

test('options that cannot be written change nothing, and nothing is undone', async () => {
  const { state, parts } = machine('# mine\n')
  const refusing = parts(words)
  refusing.writeOptions = async () => {
    throw new DriverError('unavailable', '/etc/default/docker cannot be written: EROFS')
  }
  await expect(join(refusing)).rejects.toThrow(/^\/etc\/default\/docker cannot be written: EROFS$/)
  expect(state).toMatchObject({ log: [], text: '# mine\n', isEnabled: false })
})

test('a step of the way back that fails is said, and the others are taken', async () => {
  const { state, parts } = machine('# mine\n')
  const failing = parts(words)
  state.answers = { waiting: 'another live host is called net-3' }
  failing.withdraw = async () => {
    throw new DriverError('unavailable', 'Docker does not answer')
  }
  await expect(join(failing)).rejects.toThrow(/called net-3; Docker does not answer$/)
  expect(state).toMatchObject({ text: '# mine\n', isEnabled: false, isActive: false })
})

test.each([
  ['# mine\n', '# mine\n# more\n'],
  ['MULTIHOST_OPTS="--kv-store=consul://a"\n', '# more\nMULTIHOST_OPTS="--kv-store=consul://a"\n'],
])('after %j, a line that a person writes during the join stays', async (text, expected) => {
  const { state, parts } = machine(text)
  state.answers = { waiting: 'another live host is called net-3' }
  const writing = parts(words)
  const { start } = writing.unit
  writing.unit.start = async () => {
    await start()
    state.text = `${state.text}# more\n`
  }
  await expect(join(writing)).rejects.toThrow(/everything is as before/)
  expect(wordsIn(state.text, 'MULTIHOST_OPTS')).toEqual(wordsIn(expected, 'MULTIHOST_OPTS'))
  expect(state.text).toContain('# more\n')
  expect(state.text.includes('# mine')).toBe(expected.includes('# mine'))
})
