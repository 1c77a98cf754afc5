/**
 * `lab exec` is transparent: what the command gets and gives is what it would get and give on the host.
 */
import { randomBytes } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { lab, start } from './machine.ts'
import { bringUpSharedLab, sharedLab } from './shared-lab.ts'

const name = sharedLab
const exec = (...args: string[]) => lab('exec', '--lab', name, ...args)

beforeAll(bringUpSharedLab)

test('stdout and stderr stay apart, and nothing else is printed', async () => {
  const { stdout, stderr, code } = await exec('net-1', 'sh', '-c', 'echo out; echo err >&2')
  expect({ stdout: stdout.toString(), stderr, code }).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 0 })
})

test('the exit code is the command’s own, also when a signal ended it', async () => {
  expect((await exec('net-1', 'exit 42')).code).toBe(42)
  expect((await exec('net-1', 'sh', '-c', 'kill -TERM $$')).code).toBe(143)
  expect((await exec('net-1', 'no-such-command')).code).toBe(127)
})

test('arguments with quotes, spaces, dollars and newlines arrive as they are', async () => {
  const words = ['a b', "it's", '"q"', '$HOME', '`id`', 'x\ny', '*', '', '--flag', '-x', 'ü→']
  const { stdout } = await exec('net-1', 'printf', '%s\\0', ...words)
  expect(stdout.toString().split('\0').slice(0, -1)).toEqual(words)
})

test('a single argument is a line for the host’s shell', async () => {
  expect((await exec('net-2', 'echo $((6 * 7)) | tr 4 5')).stdout.toString()).toBe('52\n')
})

test('a megabyte of bytes goes through stdin and stdout unchanged', async () => {
  const bytes = randomBytes(1 << 20)
  const { child, ended } = start('provision/lab.ts', 'exec', '--lab', name, 'net-1', 'cat')
  child.stdin.end(bytes)
  expect(Buffer.compare((await ended).stdout, bytes)).toBe(0)
})

test('a command that does not read its input still ends', async () => {
  const { child, ended } = start('provision/lab.ts', 'exec', '--lab', name, 'net-1', 'true')
  expect((await ended).code).toBe(0)
  child.stdin.destroy()
})

test('two dashes before the command are not part of it', async () => {
  expect((await exec('net-1', '--', 'echo', 'a b')).stdout.toString()).toBe('a b\n')
})

test('a reader that goes away ends it quietly, as SIGPIPE would', async () => {
  const { child, ended } = start('provision/lab.ts', 'exec', '--lab', name, 'net-1', 'yes')
  child.stdout.once('data', () => child.stdout.destroy())
  const { code, stderr } = await ended
  expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
})

test('a shell without a terminal reads its commands from the input and ends with them', async () => {
  const { child, ended } = start('provision/lab.ts', 'ssh', '--lab', name, 'net-1')
  child.stdin.end('uname -n\nexit 5\n')
  const { code, stdout } = await ended
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 5, stdout: 'net-1\n' })
})

test.each([
  [['toString'], 'unknown verb "toString"'],
  [['down', 'main'], 'down does not take "main"'],
  [['ssh', 'net-1', 'ls'], 'ssh does not take "ls"'],
  [['exec', 'net-1'], 'exec needs a host and a command'],
])('a mistaken command line exits 2 and says why: lab %j', async (words, message) => {
  const { code, stderr } = await lab(...words)
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('an unknown host names the allowed ones and exits 2', async () => {
  const { code, stderr } = await exec('net-9', 'true')
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'unknown host "net-9": allowed are consul-server, net-1, net-2\n',
  })
})

test('a second up and a second provision change nothing and say so', async () => {
  for (const verb of ['up', 'provision']) {
    const { stdout, code } = await lab(verb, '--lab', name)
    expect(code).toBe(0)
    expect(stdout.toString().trim().split('\n').at(-1)).toBe('nothing changed')
  }
})

test('status shows each host’s address, role, state, engine and Consul', async () => {
  const { stdout } = await lab('status', '--lab', name)
  const rows = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/))
  expect(rows[0]).toEqual(['HOST', 'ADDRESS', 'ROLE', 'STATE', 'ENGINE', 'CONSUL'])
  expect(rows[1]?.slice(0, 5)).toEqual(['consul-server', '192.168.33.10', 'consul', 'running', '-'])
  expect(rows[1]?.[5], 'version and part in the cluster').toMatch(/^\d+\.\d+\.\d+\S*, leader$/)
  expect(rows[2]?.slice(0, 4)).toEqual(['net-1', '192.168.33.11', 'docker', 'running'])
  expect(rows[2]?.[4]).toMatch(/^26\./)
})

test.each(['28', 'net-2=28'])(
  'another engine than the lab has is refused with a hint: %s',
  async (engine) => {
    const { code, stderr } = await lab('up', '--lab', name, '--engine', engine)
    expect(code).toBe(2)
    expect(stderr).toContain(`lab ${name} is up with engine 26`)
    expect(stderr).toContain(`npm run lab -- down --lab ${name}`)
  },
)
