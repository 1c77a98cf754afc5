/**
 * The maintainer scripts and install.sh, run in a folder in the place of `/`, with programs that write down
 * their call.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ownScript } from '../../../../provision/package/contents.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const scripts = {
  prerm: ['debian/prerm', 'remove'],
  'install.sh --uninstall': ['templates/install.sh', '--uninstall'],
  'install.sh --uninstall --purge': ['templates/install.sh', '--uninstall', '--purge'],
} as const
type Name = keyof typeof scripts
const names = Object.keys(scripts) as Name[]

const installs = {
  postinst: ['debian/postinst', 'configure'],
  'install.sh': ['templates/install.sh'],
} as const

const template = '#MULTIHOST_OPTS=\n'
const ownUnit = '/usr/local/lib/systemd/system/multihost.service'
const joined = { '/var/lib/multihost/host.json': '{"id":"a","name":"net-1"}' }

/** `files` with their text, by path. `leaves`: the exit code of `multihost leave`. */
function host(files: Record<string, string>, leaves = 0) {
  const root = temporaryFolder()
  const at = (path: string): string => join(root, path)
  const put = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), text, { mode })
  }
  const program = (path: string, more = ''): void =>
    put(path, `#!/bin/sh\necho "$(basename $0) $*" >> ${at('/calls')}\n${more}\n`, 0o755)
  put('/calls', '')
  put('/run/systemd/system/there', '')
  for (const [path, text] of Object.entries(files)) put(path, text)
  for (const name of ['deb-systemd-invoke', 'deb-systemd-helper']) program(`/stubs/${name}`)
  const states = [`is-active*) test -e ${at('/active')}`, `is-enabled*) test ! -e ${at('/disabled')}`]
  program(
    '/stubs/systemctl',
    `case "$*" in ${states.map((state) => `'--quiet '${state}`).join(';; ')};; esac`,
  )
  // Of this machine nothing may go.
  const ownOnly = `for path do case $path in -* | ${root}/*) ;; *) exit 9 ;; esac done`
  for (const name of ['rm', 'rmdir'])
    put(`/stubs/${name}`, `#!/bin/sh\n${ownOnly}\nexec /bin/${name} "$@"\n`, 0o755)
  put('/stubs/id', '#!/bin/sh\necho 0\n', 0o755)
  for (const path of ['/usr/bin/multihost', '/usr/local/bin/multihost']) program(path, `exit ${leaves}`)
  put('/root/usr/local/bin/multihost', '')
  for (const path of ['/root/usr/local', '/usr']) put(`${path}/share/multihost/multihost.default`, template)
  put('/root/usr/local/lib/multihost/node', '')
  put(`/root${ownUnit}`, '')
  put('/root/usr/local/share/there', '')
  return {
    put,
    has: (path: string): boolean => existsSync(at(path)),
    text: (path: string): string => readFileSync(at(path), 'utf8'),
    link: (path: string, target: string): void => symlinkSync(target, at(path)),
    chmod: (path: string, mode: number): void => chmodSync(at(path), mode),
    mode: (path: string): string => (statSync(at(path)).mode & 0o777).toString(8),
    run(script: string, ...args: string[]) {
      // Paths of the archive's own `root` folder stay; its files stand for those below `/`.
      const text = ownScript(script)
        .replace(/(?<![\w.'/])\/(?=(?:etc|run|usr|var)\/)/g, () => `${root}/`)
        .replaceAll("'s/^\\.//'", () => `'s|^\\.|${root}|'`)
        .replaceAll('root$file', `root\${file#${root}}`)
      put('/script', text)
      // Of root by su(1) on Debian.
      const env = { PATH: `${at('/stubs')}:/usr/local/bin:/usr/bin:/bin` }
      const { status, stdout, stderr } = spawnSync('sh', [at('/script'), ...args], { encoding: 'utf8', env })
      return { status, said: stdout + stderr, calls: readFileSync(at('/calls'), 'utf8').trim().split('\n') }
    },
  }
}

const options = 'MULTIHOST_OPTS="--kv-store=consul://a:8500"\n'
const members: [string, Record<string, string>][] = [
  ['a member', joined],
  ['a host whose join was interrupted', { '/etc/default/docker': options }],
  ['a host whose state was deleted', { '/etc/default/multihost': options }],
]
test.each(names.flatMap((name) => members.map(([what, files]) => [name, what, files] as const)))(
  '%s takes %s out of its cluster first',
  (name, _, files) => {
    const [script, ...args] = scripts[name]
    const machine = host(files)
    const { status, calls } = machine.run(script, ...args)
    expect(status).toBe(0)
    expect(calls[0]).toBe('multihost leave')
    expect(machine.has('/usr/local/bin/multihost')).toBe(name === 'prerm')
  },
)

test.each(names)('%s ends where the host cannot leave, and removes nothing', (name) => {
  const [script, ...args] = scripts[name]
  const machine = host(joined, 1)
  const { status, said, calls } = machine.run(script, ...args)
  expect(status).toBe(1)
  expect(said).toMatch(/this host stays a member .*multihost leave --force/)
  expect(calls).toEqual(['multihost leave'])
  expect(machine.has('/usr/local/bin/multihost')).toBe(true)
  expect(machine.has('/var/lib/multihost/host.json')).toBe(true)
})

test.each(names)('%s asks no cluster on a host that is no member', (name) => {
  const [script, ...args] = scripts[name]
  const { status, calls } = host({}).run(script, ...args)
  expect(status).toBe(0)
  expect(calls).not.toContain('multihost leave')
})

test.each([
  ['debian/postrm', 'purge'],
  ['templates/install.sh', '--uninstall', '--purge'],
])('%s %s removes the state, and says what stays', (script, ...args) => {
  const token = '/etc/multihost/consul-token'
  const machine = host({ ...joined, [token]: 'a', '/etc/default/multihost': template })
  const { status, said } = machine.run(script, ...args)
  expect(status).toBe(0)
  expect(said).toMatch(/multihost: \S*\/etc\/multihost stays\. .*rm -r/)
  expect(said).not.toContain('multihost-consul')
  expect([machine.has(token), machine.has('/var/lib/multihost')]).toEqual([true, false])
  expect(machine.has('/etc/default/multihost')).toBe(false)
})

test.each([
  ['debian/postrm', 'purge'],
  ['templates/install.sh', '--uninstall', '--purge'],
])('%s %s goes on where the state folder is a mount point', (script, ...args) => {
  const machine = host({ ...joined, '/run/multihost/there': '', '/etc/multihost/consul-token': 'a' })
  const busy = `#!/bin/sh\n/bin/rm "$@"\ncase $2 in */var/lib/multihost) mkdir "$2"; echo busy >&2; exit 1;; esac\n`
  machine.put('/stubs/rm', busy, 0o755)
  const { status, said } = machine.run(script, ...args)
  expect([status, said]).toEqual([0, expect.stringMatching(/multihost stays[\s\S]*busy/)])
  expect(machine.has('/run/multihost')).toBe(false)
})

test.each([
  ['by hand', '/etc/systemd/system/multihost.service'],
  ['by the archive', ownUnit],
])('neither a removal nor a purge of the package touches a driver that was installed %s', (_, unit) => {
  const machine = host({ ...joined, '/etc/default/multihost': options, [unit]: '' })
  const { status, calls, said } = machine.run('debian/prerm', 'remove')
  expect([status, calls, said]).toEqual([0, [''], expect.stringContaining('was installed otherwise')])
  expect(machine.run('debian/postrm', 'purge').status).toBe(0)
  expect([machine.has('/etc/default/multihost'), machine.has('/var/lib/multihost/host.json')]).toEqual([
    true,
    true,
  ])
})

test('an archive that is removed beside the package leaves the host to the driver of the package', () => {
  const unit = '/usr/lib/systemd/system/multihost.service'
  const optionsFile = '/etc/default/multihost'
  const machine = host({ ...joined, [optionsFile]: options, [ownUnit]: '', [unit]: '', '/active': '' })
  const { status, calls } = machine.run('templates/install.sh', '--uninstall', '--purge')
  expect(status).toBe(0)
  expect(calls).not.toContain('multihost leave')
  expect(calls).not.toContainEqual(expect.stringMatching(/ (stop|disable) /))
  const after = calls.slice(calls.indexOf('systemctl daemon-reload'))
  expect(after).toContain('systemctl reenable --quiet multihost.service')
  expect(after.at(-1)).toBe('systemctl restart multihost.service')
  const files = [ownUnit, '/var/lib/multihost/host.json', optionsFile]
  expect(files.map(machine.has)).toEqual([false, true, true])
})

test("an installation of the package says whose unit wins over the package's", () => {
  const machine = host({ ...joined, '/etc/default/multihost': options, [ownUnit]: '' })
  expect(machine.run('debian/postinst', 'configure').said).toMatch(/installed otherwise wins over/)
  expect(host({}).run('debian/postinst', 'configure').said).not.toMatch(/wins over/)
})

describe.each(Object.keys(installs) as (keyof typeof installs)[])('%s', (name) => {
  const [script, ...args] = installs[name]

  test('enables and starts the unit where the options name a store', () => {
    const { status, calls } = host({ '/etc/default/docker': options }).run(script, ...args)
    expect(status).toBe(0)
    expect(calls).toContainEqual(expect.stringMatching(/ enable .*multihost.service/))
    expect(calls).toContainEqual(expect.stringMatching(/ restart multihost.service/))
  })

  test('leaves the unit of a host that has not joined alone, and says how to join', () => {
    const { status, said, calls } = host({}).run(script, ...args)
    expect(status).toBe(0)
    expect(said).toMatch(/member of no cluster. Next: multihost join consul:/)
    expect(calls).not.toContainEqual(expect.stringMatching(/ (enable|restart) /))
  })

  test('says to a member whose options are gone that they are, and lets its driver run', () => {
    const { status, said, calls } = host(joined).run(script, ...args)
    expect(status).toBe(0)
    expect(said).toMatch(/this host is a member, and its options are gone. See 'multihost doctor'/)
    expect(said).not.toContain('member of no cluster')
    expect(calls).not.toContainEqual(expect.stringMatching(/ (enable|restart) /))
  })
  test('restarts a driver whose options come from elsewhere, and does not say how to join', () => {
    const { status, said, calls } = host({ ...joined, '/active': '' }).run(script, ...args)
    expect(status).toBe(0)
    expect(calls).toContainEqual(expect.stringMatching(/ restart multihost.service/))
    expect(calls).not.toContainEqual(expect.stringMatching(/ enable /))
    expect(said).not.toContain('multihost join')
  })

  test('calls a host with an identity no stranger, and does not start its driver', () => {
    const { said, calls } = host(joined).run(script, ...args)
    expect(said).not.toContain('member of no cluster')
    expect(calls).not.toContainEqual(expect.stringMatching(/ (enable|restart) /))
  })

  test('writes the text of the options where there is no file, readable by all', () => {
    const machine = host({})
    expect(machine.run(script, ...args).status).toBe(0)
    expect(machine.text('/etc/default/multihost')).toBe(template)
    expect(machine.mode('/etc/default/multihost')).toBe('644')
  })

  test('keeps an options file, also an empty one and a link that leads nowhere yet', () => {
    for (const text of [options, '']) {
      const machine = host({ '/etc/default/multihost': text })
      expect(machine.run(script, ...args).status).toBe(0)
      expect(machine.text('/etc/default/multihost')).toBe(text)
    }
    const machine = host({ '/etc/default/docker': '' })
    machine.link('/etc/default/multihost', '/nowhere/multihost')
    const { status, said } = machine.run(script, ...args)
    expect([status, said]).toEqual([0, expect.stringContaining('multihost join')])
    expect(machine.has('/etc/default/multihost')).toBe(false)
  })

  const store = '--kv-store=https://a:8501'
  test.each<[string, boolean, Record<string, string>]>([
    ['a value over several lines', true, { multihost: `MULTIHOST_OPTS="--log-level=debug\n  ${store} …"\n` }],
    ['one between single quotes', true, { multihost: `MULTIHOST_OPTS='--log-level=debug\n${store}'` }],
    ['a line that goes on', true, { multihost: `MULTIHOST_OPTS=--log-level=debug \\\n ${store}\n` }],
    ['blanks around the sign', true, { multihost: `  MULTIHOST_OPTS = "--kv-store https://a"\n` }],
    ['a file without a last line end', true, { docker: 'A=b', multihost: `MULTIHOST_OPTS=${store}` }],
    [
      'the options in the first file alone',
      true,
      { docker: `MULTIHOST_OPTS="${store}"`, multihost: '# a\n' },
    ],
    ['comments', false, { multihost: `# MULTIHOST_OPTS="${store}"\n ;MULTIHOST_OPTS="${store}"\n` }],
    ['options without a store', false, { multihost: 'MULTIHOST_OPTS="--log-level=debug"\n' }],
    ['a store of another variable', false, { docker: `MULTIHOST_OPTS=""\nDOCKER_OPTS="${store}"\n` }],
    ['a variable with a longer name', false, { docker: `OLD_MULTIHOST_OPTS="${store}"\n` }],
    ['a later assignment', false, { multihost: `MULTIHOST_OPTS="${store}"\nMULTIHOST_OPTS=\n` }],
    ['the second file', false, { docker: `MULTIHOST_OPTS="${store}"`, multihost: 'MULTIHOST_OPTS=""\n' }],
  ])('reads the options as systemd does: %s', (_, starts, files) => {
    const placed = Object.entries(files).map(([name, text]) => [`/etc/default/${name}`, text])
    const { calls } = host(Object.fromEntries(placed)).run(script, ...args)
    expect(calls.some((call) => / restart multihost.service/.test(call))).toBe(starts)
  })
})

test('a package whose unit is masked is removed as any other', () => {
  const machine = host({ ...joined, '/etc/systemd/system/there': '' })
  machine.link('/etc/systemd/system/multihost.service', '/dev/null')
  expect(machine.run('debian/prerm', 'remove').calls[0]).toBe('multihost leave')
})

test('an upgrade by install.sh starts no unit that a person has disabled', () => {
  const machine = host({ '/etc/default/multihost': options, [ownUnit]: 'old', '/disabled': '' })
  const { status, said, calls } = machine.run('templates/install.sh')
  expect([status, said]).toEqual([0, expect.stringContaining('is disabled, and stays so')])
  expect(calls).not.toContainEqual(expect.stringMatching(/ (enable|restart) /))
  expect(machine.text(ownUnit)).toBe('')
})

test('install.sh that ends in the middle leaves no half file, and no unit; again it goes on', () => {
  const machine = host({ '/etc/default/multihost': options })
  const cp = `#!/bin/sh\ncase $2 in *node.new) echo half > "$2"; exit 1;; esac\nexec /bin/cp "$@"\n`
  machine.put('/stubs/cp', cp, 0o755)
  expect(machine.run('templates/install.sh').status).toBe(1)
  expect([machine.has('/usr/local/lib/multihost/node.new'), machine.has(ownUnit)]).toEqual([false, false])
  machine.put('/stubs/cp', '#!/bin/sh\nexec /bin/cp "$@"\n', 0o755)
  const { status, calls } = machine.run('templates/install.sh')
  expect(status).toBe(0)
  expect(calls).toContainEqual(expect.stringMatching(/ enable .*multihost.service/))
  expect(machine.has(ownUnit)).toBe(true)
})

test('install.sh lets every user run the command, under umask 077 and from an archive that was unpacked under it', () => {
  const machine = host({ '/usr/local/lib/multihost/old': '' })
  machine.chmod('/usr/local/lib/multihost', 0o700)
  for (const path of ['bin/multihost', 'lib/multihost/node']) machine.chmod(`/root/usr/local/${path}`, 0o700)
  machine.chmod('/root/usr/local/share/there', 0o600)
  const before = process.umask(0o077)
  try {
    expect(machine.run('templates/install.sh').status).toBe(0)
  } finally {
    process.umask(before)
  }
  const paths = ['bin/multihost', 'lib/multihost', 'lib/multihost/node', 'share/multihost', 'share/there']
  expect(paths.map((path) => `${machine.mode(`/usr/local/${path}`)} ${path}`)).toEqual([
    '755 bin/multihost',
    '755 lib/multihost',
    '755 lib/multihost/node',
    '755 share/multihost',
    '644 share/there',
  ])
})

test('install.sh finds the programs of administrators without their folders in PATH', () => {
  const { said } = host({}).run('templates/install.sh')
  const named = ['ip', 'bridge', 'nft', 'systemd-notify'].filter((name) =>
    said.includes(`needs the command ${name}:`),
  )
  const folders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin']
  const there = (name: string): boolean => folders.some((folder) => existsSync(join(folder, name)))
  expect(named.filter(there)).toEqual([])
})

test('install.sh says how it is used, also by a path from another folder', () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'archive'))
  writeFileSync(join(folder, 'archive/install.sh'), ownScript('templates/install.sh'))
  const { status, stdout } = spawnSync('sh', ['archive/install.sh', '--help'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(status).toBe(2)
  expect(stdout).toContain('./install.sh --uninstall --purge')
})
