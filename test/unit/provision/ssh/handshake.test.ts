import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { keyPair } from '../../../../provision/backends/nspawn/keys.ts'
import { LabError } from '../../../../provision/process/errors.ts'
import { handshake } from '../../../../provision/ssh/handshake.ts'

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
