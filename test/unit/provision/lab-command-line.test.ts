/** The command lines of `npm run lab` that are refused: one clear line, exit code 2. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

async function lab(...args: string[]): Promise<{ code: number; stderr: string }> {
  const words = ['provision/start.mjs', 'provision/lab.ts', ...args]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { code, stderr }
}

test.each([
  ['status --lab none --engine 28', 'status does not take --engine\n  verbs that do: up, provision\n'],
  ['provision --lab none --secure', 'provision does not take --secure\n  verbs that do: up\n'],
  ['gc --lab none', 'gc does not take --lab\n  it removes the leftovers of all labs\n'],
  ['down --lab none --lab nothing', '--lab is given twice: none and nothing\n  give one of both\n'],
  ['exec --secure --lab none net-1 ls -l', 'exec does not take --secure\n  verbs that do: up\n'],
])('%s', async (line, stderr) => {
  expect(await lab(...line.split(' '))).toEqual({ code: 2, stderr })
})

test('in another repository hints name the command of the package', async () => {
  vi.stubEnv('MULTIHOST_STARTED_BY_BIN', '1')
  const { code, stderr } = await lab('exec', '--lab', 'none')
  vi.unstubAllEnvs()
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'exec needs a host and a command\n  npx multihost-lab lab exec HOST COMMAND…\n',
  })
})

test
  .runIf(process.getuid?.() === 0)
  .each(['fault --lab none unplug net-1', 'fault --lab none', 'heal --lab none', 'provision --lab none'])(
  '%s: no such lab is up',
  async (line) => {
    const { code, stderr } = await lab(...line.split(' '))
    // Refused at once: a step that fails has a line of its own before it.
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^lab none is not up\n/) })
  },
)
