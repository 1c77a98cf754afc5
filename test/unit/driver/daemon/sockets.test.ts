/** The socket files of a driver, which something else removes. */
import { chownSync, existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSockets, type Sockets } from '../../../../driver/daemon/sockets.ts'
import { type App, plain } from '../../../../driver/http-app.ts'
import { silentLog } from '../../../../driver/log.ts'
import { exchange } from '../../../../driver/unix-http.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'
import { until } from '../../../fixtures/until.ts'

let folder: string
let sockets: Sockets
beforeEach(async () => {
  folder = temporaryFolder()
  const app: App = async () => plain('here')
  const paths = {
    ...{ socket: join(folder, 'plugins', 'vxlan.sock'), controlSocket: join(folder, 'control.sock') },
    dockerSocket: join(folder, 'docker.sock'),
  }
  sockets = await openSockets(paths, { plugin: app, control: app }, silentLog)
})
afterEach(async () => {
  await sockets.close()
})

const answers = async (path: string): Promise<boolean> => {
  // A connection from before the removal answers, too.
  if (!existsSync(join(folder, path))) return false
  const { text } = await exchange(join(folder, path), { method: 'GET', path: '/', timeoutMs: 1000 })
  return text === 'here'
}

test.each<[string, () => void]>([
  ['removed', () => rmSync(join(folder, 'plugins/vxlan.sock'))],
  ['removed with its folder', () => rmSync(join(folder, 'plugins'), { recursive: true })],
  [
    'replaced by another file',
    () => {
      writeFileSync(join(folder, 'plugins/other'), '')
      renameSync(join(folder, 'plugins/other'), join(folder, 'plugins/vxlan.sock'))
    },
  ],
])('a socket file that was %s is there again, each time', async (_, remove) => {
  for (let times = 0; times < 3; times++) {
    remove()
    await until('it answers again', () => answers('plugins/vxlan.sock'))
    expect(await answers('control.sock')).toBe(true)
  }
})

test.skipIf(process.getuid?.() !== 0)(
  'the control socket gets the group of dockerd’s socket, also of one that comes later',
  async () => {
    const groupOf = async (path: string): Promise<boolean> => statSync(join(folder, path)).gid === 54_321
    expect(await groupOf('control.sock')).toBe(false)
    writeFileSync(join(folder, 'docker.sock'), '')
    chownSync(join(folder, 'docker.sock'), 0, 54_321)
    await until('the socket has the group', () => groupOf('control.sock'))
    expect(await groupOf('plugins/vxlan.sock')).toBe(false)
  },
)
