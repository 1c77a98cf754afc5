import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { expect, onTestFinished, test, vi } from 'vitest'
import { keyPair } from '../../../../provision/backends/nspawn/keys.ts'
import { LabError } from '../../../../provision/process/errors.ts'
import { handshake } from '../../../../provision/ssh/handshake.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const target = { name: 'net-1', user: 'root', pinned: { hostKeys: [], in: '/nowhere/known_hosts' } }

test('a host that does not answer is an error with its name and its address', async () => {
  const refused = handshake({
    ...target,
    at: { socket: '/nowhere/ssh.sock' },
    privateKey: keyPair('test', ssh2.utils).private,
  })
  await expect(refused).rejects.toThrow(
    new LabError('net-1: no ssh at /nowhere/ssh.sock: connect ENOENT /nowhere/ssh.sock'),
  )
})

test('a key that cannot be read is an error before the login', async () => {
  const refused = handshake({ ...target, at: { socket: '/nowhere/ssh.sock' }, privateKey: 'no key' })
  await expect(refused).rejects.toThrow('net-1: the key of root cannot be used: ')
})

test('a host that closes the connection while ssh2 is loaded is an error at once', async () => {
  const folder = temporaryFolder()
  const socket = join(folder, 'ssh.sock')
  const server = createServer((connection) => void connection.resume().end())
  onTestFinished(() => {
    vi.doUnmock('ssh2')
    server.close()
  })
  await once(server.listen(socket), 'listening')
  // The server's end closes when the other end has answered with its own end.
  const closed = once(server, 'connection').then(([connection]) => once(connection, 'close'))
  vi.doMock('ssh2', async (original) => {
    await closed
    return original()
  })
  const privateKey = keyPair('test', ssh2.utils).private
  const refused = handshake({ ...target, at: { socket }, privateKey, timeoutMs: 10_000 })
  await expect(refused).rejects.toThrow(`net-1: no ssh at ${socket}: the connection was closed`)
})

test('a key that cannot be remembered is an error of that host', async () => {
  const [hostKey, ours] = [keyPair('host', ssh2.utils), keyPair('client', ssh2.utils)]
  const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
    client.on('authentication', (context) => context.accept()).on('error', () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const remember = () => writeFileSync(tmpdir(), 'a key')
  const at = { host: '127.0.0.1', port }
  const refused = handshake({ ...target, at, privateKey: ours.private, remember })
  await expect(refused).rejects.toThrow(
    /^net-1: the key of 127\.0\.0\.1:\d+ cannot be added to \/nowhere\/known_hosts: EISDIR/,
  )
})
