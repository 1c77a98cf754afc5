/** `multihost leave`: what it refuses, in which order it removes, and what it says. */
import { expect, test } from 'vitest'
import { DriverError } from '../../../../driver/core/errors.ts'
import { type LeaveParts, leave } from '../../../../driver/membership/leave.ts'
import { withDriver } from '../../../../driver/membership/options-file.ts'

const options = withDriver('# mine\n', ['--kv-store=consul://192.168.33.10:8500'])
const attached = [{ container: 'web', network: 'foobar' }]

function machine(changed: Partial<LeaveParts> = {}) {
  const log: string[] = []
  const file = { text: options }
  const step = (name: string) => async (): Promise<void> => void log.push(name)
  const parts: LeaveParts = {
    unit: {
      state: async () => ({ isInstalled: true, isEnabled: true, isActive: true, isStarting: false }),
      start: step('start'),
      stop: step('stop'),
      restore: step('restore'),
    },
    force: false,
    readOptions: async () => file.text,
    async writeOptions(text) {
      log.push('write')
      file.text = text
    },
    dns: '169.254.255.53',
    dockerAsksDriver: async () => false,
    name: 'net-2',
    attached: async () => ({ found: [] }),
    storeFailure: async () => undefined,
    async fromDocker(disconnected) {
      log.push('docker')
      return { disconnected, refused: [] }
    },
    fromKernel: step('kernel'),
    fromStore: step('store'),
    state: step('state'),
    runFiles: step('run'),
    ...changed,
  }
  return { parts, log, file }
}

test('the unit stops first, and the name and the options go last', async () => {
  const { parts, log, file } = machine()
  expect(await leave(parts)).toEqual(['this host, net-2, is out of the cluster'])
  expect(log).toEqual(['stop', 'docker', 'kernel', 'store', 'state', 'run', 'write'])
  expect(file.text).toBe('# mine\n')
})

test('a driver whose unit is masked is stopped too', async () => {
  const { parts, log } = machine()
  const masked = { isInstalled: false, isEnabled: false, isActive: true, isStarting: false }
  parts.unit.state = async () => masked
  await leave(parts)
  expect(log[0]).toBe('stop')
})

test('a file that has none of the driver’s options is not written, and what a person adds meanwhile stays', async () => {
  const { parts, log, file } = machine()
  file.text = '# mine\n'
  await leave(parts)
  expect(log).not.toContain('write')
  const other = machine()
  const { fromStore } = other.parts
  other.parts.fromStore = async () => {
    await fromStore()
    other.file.text = `${other.file.text}# more\n`
  }
  await leave(other.parts)
  expect(other.file.text).toBe('# mine\n# more\n')
})

test.each<[string, Partial<LeaveParts>, RegExp]>([
  [
    'containers are on its networks',
    { attached: async () => ({ found: attached }) },
    /web on foobar; remove or disconnect them, or .*--force/,
  ],
  [
    'Docker does not answer',
    { attached: async () => ({ failed: 'ENOENT' }) },
    /Docker does not say which .*: ENOENT; start Docker/,
  ],
  [
    'the store does not answer',
    { storeFailure: async () => 'Consul at x does not answer' },
    /cannot be removed: Consul at x does not answer; repeat it .*--force/,
  ],
])('refused while %s, and nothing is changed', async (_, changed, why) => {
  const { parts, log, file } = machine(changed)
  await expect(leave(parts).catch((error: DriverError) => Promise.reject(error.line))).rejects.toMatch(why)
  expect(log).toEqual([])
  expect(file.text).toBe(options)
})

test('a host whose join was interrupted before it had a name needs no store', async () => {
  const { parts, log, file } = machine({ name: undefined, storeFailure: async () => 'Consul is away' })
  expect(await leave(parts)).toEqual(['this host is out of the cluster'])
  expect(log).toContain('kernel')
  expect(file.text).toBe('# mine\n')
})

test('a container that was started while the driver stopped keeps the host in; by force it is cut off', async () => {
  let asked = 0
  const late = async () => ({ found: asked++ % 2 === 0 ? [] : attached })
  const { parts, log, file } = machine({ attached: late })
  await expect(leave(parts)).rejects.toThrow(/web on foobar/)
  expect(log).toEqual(['stop', 'restore'])
  expect(file.text).toBe(options)
  expect((await leave({ ...parts, force: true }))[0]).toBe(
    'container web was disconnected from network foobar',
  )
})

test('by force, it says what it cut and which records stay', async () => {
  const { parts, log } = machine({
    force: true,
    attached: async () => ({ found: attached }),
    storeFailure: async () => 'Consul at x does not answer',
    dockerAsksDriver: async () => true,
  })
  expect(await leave(parts)).toEqual([
    'container web was disconnected from network foobar',
    'the records of host net-2 stay in the store (Consul at x does not answer); remove them on another host: multihost host rm net-2',
    expect.stringMatching(/to 169\.254\.255\.53, where nothing answers any more: .*restart Docker$/),
    'this host, net-2, is out of the cluster',
  ])
  expect(log).not.toContain('store')
})

test('a network that Docker keeps ends it before the name goes; by force it goes on and names the network', async () => {
  const refused = 'network stale stays in Docker (it has active endpoints)'
  const { parts, log, file } = machine({ fromDocker: async () => ({ disconnected: [], refused: [refused] }) })
  await expect(leave(parts)).rejects.toThrow(refused)
  expect(log).toEqual(['stop'])
  expect(file.text).toBe(options)
  expect((await leave({ ...parts, force: true }))[0]).toBe(refused)
})

test('a container that Docker does not disconnect is not named as disconnected', async () => {
  const refused = 'container web stays on network foobar (the engine: no)'
  const { parts } = machine({
    force: true,
    attached: async () => ({ found: attached }),
    fromDocker: async () => ({ disconnected: [], refused: [refused] }),
  })
  expect(await leave(parts)).toEqual([refused, 'this host, net-2, is out of the cluster'])
})

test('by force, networks stay in a Docker that does not answer', async () => {
  const { parts, log } = machine({ force: true, attached: async () => ({ failed: 'ENOENT' }) })
  expect((await leave(parts))[0]).toMatch(
    /stay in Docker, which does not answer: ENOENT; start Docker, and run 'multihost leave' again/,
  )
  expect(log).toEqual(['stop', 'kernel', 'store', 'state', 'run', 'write'])
})

test('a store that goes away meanwhile ends it before the name goes; by force it goes on', async () => {
  const away = async (): Promise<never> => {
    throw new DriverError('unavailable', 'Consul at x does not answer')
  }
  const { parts, log, file } = machine({ fromStore: away })
  await expect(leave(parts)).rejects.toThrow('Consul at x')
  expect(log).toEqual(['stop', 'docker', 'kernel'])
  expect(file.text).toBe(options)
  expect(await leave({ ...parts, force: true })).toContainEqual(
    expect.stringContaining('multihost host rm net-2'),
  )
})
