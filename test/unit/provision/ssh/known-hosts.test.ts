import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { addKnownHost, knownKeys } from '../../../../provision/ssh/known-hosts.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

/** The key of a host as in known_hosts, for any bytes. */
const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIHGUtxqZhdMnIqdcv7iHlXMqtVgAUm2nuP9QWPe0UPNQ'

test('a host is found by its name or address, and by its port where it is not 22', () => {
  const content = `# comment\nnet-1,10.0.0.11 ssh-ed25519 ${key} note\n[10.0.0.11]:2222 ssh-rsa AAAAB3Nz\n`
  expect(knownKeys(content, 'net-1', 22)).toEqual([key])
  expect(knownKeys(content, '10.0.0.11', 22)).toEqual([key])
  expect(knownKeys(content, '10.0.0.11', 2222)).toEqual(['AAAAB3Nz'])
  expect(knownKeys(content, '10.0.0.1', 22)).toEqual([])
})

test('a hashed name is found, as `ssh-keygen -H` writes it', () => {
  const hashed = `|1|W0DB/CcgFn0TDV+YBxphBVRkLSU=|IzaXMj2UC9y+D8qTNInkKfL3r4Q= ssh-ed25519 ${key}`
  expect(knownKeys(hashed, '192.168.33.11', 22)).toEqual([key])
  expect(knownKeys(hashed, '192.168.33.12', 22)).toEqual([])
})

test('lines with a marker are no host’s keys', () => {
  expect(knownKeys(`@revoked net-1 ssh-ed25519 ${key}\n@cert-authority * ssh-rsa AAAA`, 'net-1', 22)).toEqual(
    [],
  )
})

test('a key that was added is found again, after the earlier content of the file', () => {
  const file = join(folder, 'new/known_hosts')
  addKnownHost(file, '127.0.0.1', 2222, Buffer.from(key, 'base64'))
  writeFileSync(file, readFileSync(file, 'utf8').trimEnd()) // as an editor might leave it
  addKnownHost(file, 'net-1', 22, Buffer.from(key, 'base64'))
  const content = readFileSync(file, 'utf8')
  expect(content).toBe(`[127.0.0.1]:2222 ssh-ed25519 ${key}\nnet-1 ssh-ed25519 ${key}\n`)
  expect(knownKeys(content, '127.0.0.1', 2222)).toEqual([key])
})
