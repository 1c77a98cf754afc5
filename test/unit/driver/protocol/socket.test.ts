import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { pluginApp } from '../../../../driver/protocol/app.ts'
import { listenOn } from '../../../../driver/protocol/socket.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { fakeVerbs } from './verbs.fake.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = temporaryFolder()
  path = join(folder, 'plugins', 'vxlan.sock')
})

function post(
  url: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: path, path: url, method: 'POST', headers }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ status: response.statusCode, text })
    })
    call.on('error', reject).end(body)
  })
}

test('the protocol is spoken on a socket that is root’s alone, in a folder made for it', async () => {
  const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const answer = await post('/Plugin.Activate', '')
  expect(answer).toEqual({ status: 200, text: '{"Implements":["NetworkDriver","IpamDriver"]}' })
  await listener.close()
})

test.each([
  [0o660, 0o755, 'open for all where a group reaches the socket, since the mode of the socket decides'],
  [0o600, 0o700, 'root’s alone as its socket, since /run/docker is Docker’s'],
])('the folder of a socket of mode %o has mode %o: %s', async (mode, ofFolder) => {
  const mask = process.umask(0o077)
  onTestFinished(() => void process.umask(mask))
  const deep = join(folder, 'a', 'b', 'multihost.sock')
  const listener = await listenOn(deep, pluginApp({ verbs: fakeVerbs() }), mode)
  const modeOf = async (of: string): Promise<number> => (await stat(of)).mode & 0o777
  expect([await modeOf(join(folder, 'a')), await modeOf(join(folder, 'a', 'b'))]).toEqual([
    ofFolder,
    ofFolder,
  ])
  expect([await modeOf(deep), process.umask()]).toEqual([mode, 0o077])
  await listener.close()
})

test.each(['/run/docker/plugins/vxlan.sock', 'plugin.moby.localhost', ''])(
  'an engine may say any host (%o), since 20.10 says the path of the socket',
  async (host) => {
    const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
    expect(await post('/Plugin.Activate', '', { host })).toMatchObject({ status: 200 })
    await listener.close()
  },
)

test('a second driver on the same socket is refused, and the first goes on', async () => {
  const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  await expect(listenOn(path, pluginApp({ verbs: fakeVerbs() }))).rejects.toThrow(
    `another driver is running: it answers on ${path}`,
  )
  expect(await post('/Plugin.Activate', '')).toMatchObject({ status: 200 })
  await listener.close()
})

test('what a killed driver left behind is replaced', async () => {
  const first = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  await first.close()
  await writeFile(path, '')
  const second = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  expect(await post('/Plugin.Activate', '')).toMatchObject({ status: 200 })
  await second.close()
})

test('a driver that is too busy to take a connection is running, and keeps its socket', async () => {
  const busy = join(folder, 'busy.sock')
  const program = `require('net').createServer().listen({ path: '${busy}', backlog: 1 }, () => {
    require('fs').writeSync(1, 'listens')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const waiting = Array.from({ length: 5 }, () => connect(busy))
  const codes = await Promise.all(
    waiting.map(async (it) => {
      const [error] = await Promise.race([once(it, 'connect'), once(it, 'error')]).catch((code) => [code])
      return (error as NodeJS.ErrnoException | undefined)?.code
    }),
  )
  expect(codes).toContain('EAGAIN')
  await expect(listenOn(busy, pluginApp({ verbs: fakeVerbs() }))).rejects.toMatchObject({ code: 'taken' })
  for (const it of waiting) it.destroy()
})

test('closing answers what is under way first', async () => {
  const held: (() => void)[] = []
  const leave = () => new Promise<void>((resolve) => void held.push(resolve))
  const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs({ leave }) }))
  const body = JSON.stringify({ NetworkID: 'a', EndpointID: 'b' })
  const answer = post('/NetworkDriver.Leave', body)
  await expect.poll(() => held.length).toBe(1)
  const closed = listener.close()
  held[0]?.()
  expect(await answer).toEqual({ status: 200, text: '{}' })
  await closed
})

test('while the socket closes, an accepted connection’s request is answered and a new connection is refused', async () => {
  const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  const socket = connect(path)
  await once(socket, 'connect')
  const closed = listener.close()
  await expect.poll(() => post('/Plugin.Activate', '').catch(({ code }) => code)).toBe('ENOENT')
  socket.write('POST /Plugin.Activate HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*"Implements"/is)
  await closed
})

test('a connection without a request does not hold up the closing for long', async () => {
  const listener = await listenOn(path, pluginApp({ verbs: fakeVerbs() }))
  const socket = connect(path)
  await once(socket, 'connect')
  const ended = once(socket.resume(), 'close')
  await listener.close()
  await ended
})
