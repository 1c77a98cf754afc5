import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { runner } from '../../../../driver/kernel/run-command.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

const folder = temporaryFolder(afterAll)

function open(timeoutMs = 10_000) {
  const made = runner(timeoutMs)
  onTestFinished(() => made.close())
  return made
}

describe('a command', () => {
  test('gets its words and its input as they are, and its outputs and exit code come back', async () => {
    const { run } = open()
    const words = ["it's", '$HOME', '`id`', 'a  b', '"', '\\', '*']
    const script = 'printf "%s\\n" "$@"; cat >&2; exit 3'
    const input = 'one\n$HOME `id` \\ EOF\nno line end'
    expect(await run(['sh', '-c', script, 'sh', ...words], input)).toEqual({
      code: 3,
      stdout: words.map((it) => `${it}\n`).join(''),
      stderr: `${input}\n`,
    })
  })

  test('one after the other has its own output, with and without a line end', async () => {
    const { run } = open()
    for (const text of ['', 'a', 'b\n', 'ü'.repeat(100_000)]) {
      expect(await run(['cat'], text)).toEqual({
        ...{ code: 0, stderr: '' },
        stdout: text === 'a' || text.startsWith('ü') ? `${text}\n` : text,
      })
    }
  })

  test('a dozen at once do not mix, and are not run one after the other', async () => {
    const { run } = open()
    const dozen = Array.from({ length: 12 }, (_, n) => n)
    const wait = (n: number) =>
      `touch ${folder}/${n}; while ! test -e ${folder}/${(n + 1) % 12}; do sleep 0.01; done; echo ${n}`
    const outputs = await Promise.all(dozen.map((n) => run(['sh', '-c', wait(n)])))
    expect(outputs.map(({ stdout }) => stdout)).toEqual(dozen.map((n) => `${n}\n`))
  })

  test('has errors in English on a machine with another language', async () => {
    vi.stubEnv('LANG', 'de_DE.UTF-8')
    vi.stubEnv('LC_ALL', 'fr_FR.UTF-8')
    onTestFinished(() => void vi.unstubAllEnvs())
    const { run } = open()
    expect((await run(['sh', '-c', 'echo $LC_ALL'])).stdout).toBe('C\n')
  })

  test('runs in a shell that is kept', async () => {
    const { run } = open()
    const parent = async () => (await run(['sh', '-c', 'echo $PPID'])).stdout
    expect(await parent()).toBe(await parent())
  })

  test('that takes too long is ended, with all that it has started, and the next one runs', async () => {
    // The limit is also that of a new shell's start.
    const { run } = open(2000)
    const file = join(folder, 'sleeper')
    const slow = run(['sh', '-c', `echo $$ > ${file}; sleep 60; echo`])
    await expect(slow).rejects.toMatchObject({
      code: 'kernel',
      message: expect.stringContaining('was ended after 2000 ms'),
    })
    const pid = readFileSync(file, 'utf8').trim()
    await until('the process is gone', () => !existsSync(`/proc/${pid}`) || isZombie(pid))
    expect((await run(['echo', 'next'])).stdout).toBe('next\n')
  })

  test('that is not there is named', async () => {
    const { run } = open()
    await expect(run(['no-such-tool'])).rejects.toMatchObject({
      ...{ code: 'kernel', message: expect.stringContaining('no-such-tool') },
    })
  })

  test('that ends its shell fails, and the next one runs', async () => {
    const { run } = open()
    await expect(run(['kill', '-9', '$PPID'])).resolves.toMatchObject({ code: expect.any(Number) })
    await expect(run(['sh', '-c', 'kill -9 $PPID'])).rejects.toMatchObject({ code: 'kernel' })
    expect((await run(['echo', 'next'])).stdout).toBe('next\n')
  })
})

test('closing ends the shells', async () => {
  const { run, close } = open()
  const shell = (await run(['sh', '-c', 'echo $PPID'])).stdout.trim()
  expect(existsSync(`/proc/${shell}`)).toBe(true)
  close()
  await until('the shell is gone', () => !existsSync(`/proc/${shell}`))
})

function isZombie(pid: string): boolean {
  return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
