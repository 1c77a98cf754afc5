import { expect, test } from 'vitest'
import { unitOptions } from '../../../../driver/membership/unit-options.ts'

const exec = (words: string) =>
  `{ path=/usr/lib/multihost/node ; argv[]=/usr/lib/multihost/node --max-semi-space-size=2 /usr/lib/multihost/multihost.cjs daemon ${words} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }`
/** As `systemctl show` prints them, a line for each file. */
const unit = {
  ExecStart: exec('$MULTIHOST_OPTS'),
  Environment: 'MALLOC_ARENA_MAX=2',
  EnvironmentFiles: '/etc/default/docker (ignore_errors=yes)\n/etc/default/multihost (ignore_errors=yes)',
}
const a = '--kv-store=consul://a:8500'
const b = '--kv-store=consul://b:8500'

function found(properties: Record<string, string>, files: Record<string, string> = {}) {
  return unitOptions(properties, async (path) => files[path] ?? '')
}

test('without options there are none, and without systemd the usual files count', async () => {
  expect(await found(unit)).toBeUndefined()
  expect(await found({})).toBeUndefined()
  const files = {
    '/etc/default/docker': `MULTIHOST_OPTS="${a}"`,
    '/etc/default/multihost': `MULTIHOST_OPTS="${b}"`,
  }
  for (const properties of [unit, {}])
    expect(await found(properties, files)).toEqual({ words: [b], from: '/etc/default/multihost' })
})

test('a drop-in’s Environment counts where no file has the variable', async () => {
  const dropIn = { ...unit, Environment: `MALLOC_ARENA_MAX=2 "MULTIHOST_OPTS=${a} --bind-interface=eth1"` }
  const from = 'Environment= of multihost.service'
  expect(await found(dropIn)).toEqual({ words: [a, '--bind-interface=eth1'], from })
  expect(await found({ ...unit, Environment: `MULTIHOST_OPTS=${a}` })).toEqual({ words: [a], from })
  const files = { '/etc/default/docker': `MULTIHOST_OPTS="${b}"` }
  expect(await found(dropIn, files)).toEqual({ words: [b], from: '/etc/default/docker' })
})

test('a drop-in’s EnvironmentFile counts', async () => {
  const dropIn = {
    ...unit,
    EnvironmentFiles: `${unit.EnvironmentFiles}\n/etc/sysconfig/multihost (ignore_errors=no)`,
  }
  const files = {
    '/etc/sysconfig/multihost': `MULTIHOST_OPTS='${a}'`,
    '/etc/default/docker': `MULTIHOST_OPTS="${b}"`,
  }
  expect(await found(dropIn, files)).toEqual({ words: [a], from: '/etc/sysconfig/multihost' })
})

test('a drop-in’s ExecStart counts, with the variable in its place', async () => {
  const from = 'ExecStart= of multihost.service'
  const files = { '/etc/default/docker': 'MULTIHOST_OPTS="--bind-interface=eth1"' }
  for (const variable of ['$MULTIHOST_OPTS', '$'.concat('{MULTIHOST_OPTS}')])
    expect(await found({ ...unit, ExecStart: exec(`${a} ${variable}`) }, files)).toEqual({
      words: [a, '--bind-interface=eth1'],
      from,
    })
  expect(await found({ ...unit, ExecStart: exec(a) }, files)).toEqual({ words: [a], from })
  const louder = { ...unit, ExecStart: exec('--log-level=debug $MULTIHOST_OPTS') }
  expect(await found(louder), '`join` may write the store').toEqual({
    words: ['--log-level=debug'],
    from: '/etc/default/docker',
  })
})
