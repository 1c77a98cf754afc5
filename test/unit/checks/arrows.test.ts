import { describe, expect, test } from 'vitest'
import { breaches } from '../../checks/arrows.ts'
import { importsOf } from '../../checks/imports.ts'
import { packagesOf, type Room, rooms } from '../../checks/rooms.ts'

/** The messages on a made-up tree: paths and their text, or a path and the one path it imports. */
const check = (tree: Record<string, string>, table: readonly Room[] = rooms): string[] => {
  const files = Object.entries(tree).map(([path, text]) => ({ path, text }))
  const found = breaches(Object.keys(tree), files.flatMap(importsOf), table, packagesOf)
  return found.map(({ message }) => message)
}
const fileIn = (room: string): string => (/\.\w+$/.test(room) ? room : `${room}/made-up.ts`)
const importing = (from: string, to: string): Record<string, string> => ({
  [to]: '',
  [from]: `import './${'../'.repeat(from.split('/').length - 1)}${to}'`,
})

/** The rules of docs/architecture.md, each breached once. */
const rules: [rule: string, from: string, to: string][] = [
  ['core imports only core', 'driver/core/names.ts', 'driver/store/store.ts'],
  ['verbs never import loops', 'driver/verbs/pool.ts', 'driver/loops/kit/loop.ts'],
  ['loops never import verbs', 'driver/loops/names/loop.ts', 'driver/verbs/pool.ts'],
  ['a loop never imports another', 'driver/loops/names/loop.ts', 'driver/loops/endpoints/plan.ts'],
  ['what loops share imports no loop', 'driver/loops/kit/work-queue.ts', 'driver/loops/host/loop.ts'],
  ["a handler of Docker's protocol never calls Docker", 'driver/protocol/app.ts', 'driver/engine/docker.ts'],
  ['a verb never calls Docker', 'driver/verbs/endpoint.ts', 'driver/engine/docker.ts'],
  ['dns knows no kernel', 'driver/dns/server.ts', 'driver/kernel/kernel.ts'],
  ['dns knows no engine', 'driver/dns/server.ts', 'driver/engine/docker.ts'],
  ['dns knows no store', 'driver/dns/server.ts', 'driver/store/store.ts'],
  ['kernel knows no dns', 'driver/kernel/real.ts', 'driver/dns/server.ts'],
  ['kernel knows no engine', 'driver/kernel/real.ts', 'driver/engine/docker.ts'],
  ['kernel knows no store', 'driver/kernel/real.ts', 'driver/store/store.ts'],
  ['engine knows no dns', 'driver/engine/docker.ts', 'driver/dns/server.ts'],
  ['engine knows no kernel', 'driver/engine/docker.ts', 'driver/kernel/kernel.ts'],
  ['engine knows no store', 'driver/engine/docker.ts', 'driver/store/store.ts'],
  ['store knows no dns', 'driver/store/consul/store.ts', 'driver/dns/server.ts'],
  ['store knows no kernel', 'driver/store/consul/store.ts', 'driver/kernel/kernel.ts'],
  ['store knows no engine', 'driver/store/consul/store.ts', 'driver/engine/docker.ts'],
  ["control does not know Docker's protocol", 'driver/control/status.ts', 'driver/protocol/app.ts'],
  ["cli does not know Docker's protocol", 'driver/cli/cli.ts', 'driver/protocol/app.ts'],
  ['report does not know the kit', 'scenarios/report/model.ts', 'scenarios/kit/host.ts'],
  ['the kit does not know the report', 'scenarios/kit/host.ts', 'scenarios/report/model.ts'],
  ['record knows no report', 'scenarios/record/events.ts', 'scenarios/report/model.ts'],
  ['record knows no kit', 'scenarios/record/events.ts', 'scenarios/kit/host.ts'],
  ['provision never imports scenarios', 'provision/lab.ts', 'scenarios/kit/host.ts'],
  ['provision never imports test', 'provision/lab.ts', 'test/fixtures/until.ts'],
  ['a driver never imports test', 'driver/daemon/daemon.ts', 'test/fixtures/until.ts'],
  ['a scenario never imports test', 'scenarios/main.ts', 'test/fixtures/until.ts'],
  [
    'a backend never imports another',
    'provision/backends/vagrant/backend.ts',
    'provision/backends/ssh/reach.ts',
  ],
  ['the interface knows no backend', 'provision/backends/backend.ts', 'provision/backends/ssh/reach.ts'],
  ['images know no backend', 'provision/images/image.ts', 'provision/backends/nspawn/paths.ts'],
  ['a test never imports another kind', 'test/contract/made-up.test.ts', 'test/unit/made-up.ts'],
]

describe('the table of rooms', () => {
  test.each(rules)('%s', (_rule, from, to) => {
    expect(check(importing(from, to))).toEqual([expect.stringContaining(`${from} imports ${to}, but `)])
  })

  test('refuses every import upwards, and every import that a row does not name', () => {
    const allowed = rooms.flatMap(({ room: here }, at) => {
      const others = rooms.filter(({ room }) => room !== here)
      const trees = others.map(({ room }) => importing(fileIn(here), fileIn(room)))
      const imports = trees.map((tree) => tree[fileIn(here)]).join('\n')
      const refused = check({ ...Object.assign({}, ...trees), [fileIn(here)]: imports })
      const passed = others.filter(
        ({ room }) => !refused.some((line) => line.includes(`imports ${fileIn(room)},`)),
      )
      for (const there of passed) expect(rooms.indexOf(there), `${here} → ${there.room}`).toBeLessThan(at)
      return passed.map((there) => `${here} → ${there.room}`)
    })
    expect(allowed).toContain('driver/verbs → driver/store')
    expect(allowed).toContain('driver/daemon → driver/loops/names')
    expect(allowed).not.toContain('driver/verbs → driver/loops/names')
  })

  test('counts types, re-exports and dynamic imports', () => {
    const refused = [expect.stringContaining('driver/core/a.ts imports driver/store/store.ts')]
    const tree = (text: string) => ({ 'driver/core/a.ts': text, 'driver/store/store.ts': '' })
    expect(check(tree(`import type { Store } from '../store/store.ts'`))).toEqual(refused)
    expect(check(tree(`export { Store } from '../store/store.ts'`))).toEqual(refused)
    expect(check(tree(`const store = await import('../store/store.ts')`))).toEqual(refused)
  })

  test('keeps packages to their rooms', () => {
    expect(check({ 'driver/core/a.ts': `import { readFileSync } from 'node:fs'` })).toEqual([
      'driver/core/a.ts imports node:fs, but driver/core may use immutable, ip-address only (core is pure: no I/O, no clock, no log)',
    ])
    expect(check({ 'driver/core/a.ts': `import { Map } from 'immutable'` })).toEqual([])
    expect(check({ 'driver/store/disk.ts': `import Consul from 'consul'` })).toEqual([
      expect.stringContaining('driver/store/disk.ts imports consul: only driver/store/consul/client.ts may'),
    ])
  })

  test('refuses a circle of files inside a room', () => {
    expect(
      check({
        'driver/core/a.ts': `import './b.ts'`,
        'driver/core/b.ts': `import './c.ts'`,
        'driver/core/c.ts': `import './a.ts'`,
      }),
    ).toEqual([
      'these files import each other in a circle: driver/core/a.ts, driver/core/b.ts, driver/core/c.ts',
    ])
  })

  test('refuses a file without a room, and a row that names a room of a later row', () => {
    expect(check({ 'tools/a.ts': '' })).toEqual([expect.stringContaining('tools/a.ts is in no room')])
    const table = [
      { room: 'a', imports: ['b'], why: '' },
      { room: 'b', imports: [], why: '' },
    ]
    expect(check({}, table)).toEqual(['the table of rooms lets a import b, which is in no row above it'])
  })
})
