import { mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sshBackend } from '../../../../../provision/backends/ssh/backend.ts'
import { parseInventory, readInventory } from '../../../../../provision/backends/ssh/inventory.ts'
import { defaultLab } from '../../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

const lab = defaultLab()
const options = { name: 'ssh', lab, explicit: false, engines: {}, programs: {}, secure: false }
const folder = temporaryFolder(afterAll)

/** The same entry for every host of the lab, with an address of its own, but for what is given of one. */
const inventory = (
  each: Record<string, unknown> = { address: 'a.example' },
  others: Record<string, unknown> = {},
) => {
  const ofEach = lab.hosts.map(({ name }, i) => [
    name,
    { ...each, ...(each.address !== undefined && { address: `${each.address}${i}` }) },
  ])
  return JSON.stringify({ hosts: { ...Object.fromEntries(ofEach), ...others } })
}
const parsed = (content: string) => () => parseInventory(content, 'lab.json', lab)

test('what is not said is what ssh would take', () => {
  expect(parseInventory(inventory(), 'lab.json', lab)['net-1']).toEqual({
    address: 'a.example1',
    port: 22,
    user: 'root',
    knownHosts: '~/.ssh/known_hosts',
    acceptNew: false,
  })
})

test('paths are relative to the folder of the inventory, and ~ is the home folder', () => {
  const file = join(folder, 'lab.json')
  mkdirSync(join(folder, 'keys'))
  writeFileSync(join(folder, 'keys/lab'), 'a key')
  writeFileSync(file, inventory({ address: 'a', identityFile: 'keys/lab', knownHosts: '~/hosts' }))
  expect(readInventory(file, lab)['net-2']).toMatchObject({
    identityFile: join(folder, 'keys/lab'),
    knownHosts: join(homedir(), 'hosts'),
  })
})

test('a missing file and a file that is not JSON are different errors', () => {
  const absent = join(folder, 'absent.json')
  expect(() => readInventory(absent, lab)).toThrow(
    `the inventory ${absent} cannot be read: ENOENT: no such file or directory`,
  )
  expect(parsed('{')).toThrow('lab.json is not JSON: ')
})

test('a host of the lab that is missing is named, and so is a foreign one', () => {
  expect(parsed(JSON.stringify({ hosts: { 'net-1': { address: 'a' } } }))).toThrow(
    'lab.json does not say how consul-server, net-2 can be reached',
  )
  expect(parsed(inventory(undefined, { 'net-3': { address: 'a' } }))).toThrow(
    'unknown host in lab.json "net-3": allowed are consul-server, net-1, net-2',
  )
})

test.each([
  [{ address: 'a', adress: 'b' }, 'adress'],
  [{ user: 'root' }, 'address'],
  [{ address: 'a', port: 70_000 }, 'port'],
  [{ address: 'a', hostKey: 'AAAA' }, 'a public key as in a .pub file'],
  [{ address: 'a b' }, 'a name or an IP address'],
  [{ address: '-oProxyCommand=b' }, 'a name or an IP address'],
  [{ address: 'a', user: 'ro ot' }, 'the name of a user'],
  [{ address: 'a', user: '-l' }, 'the name of a user'],
])('a field that is wrong is named: %j', (entry, name) => {
  expect(parsed(inventory(entry))).toThrow(/^lab\.json is not an inventory: /)
  expect(parsed(inventory(entry))).toThrow(name)
  expect(parsed(inventory(entry))).not.toThrow('\n')
})

test('two hosts on one machine are refused; one address with two ports is two machines', () => {
  const both = (port: number) =>
    inventory(undefined, { 'net-1': { address: 'One' }, 'net-2': { address: 'one', port } })
  expect(parsed(both(22))).toThrow('lab.json: net-1 and net-2 have one machine, one port 22')
  expect(Object.keys(parsed(both(2222))())).toHaveLength(3)
})

test.each(['identityFile', 'knownHosts'])(
  'a folder is no %s, which is said before a host is reached',
  (field) => {
    const file = join(folder, `${field}.json`)
    writeFileSync(file, inventory(undefined, { 'net-1': { address: 'a', [field]: '.' } }))
    expect(() => readInventory(file, lab)).toThrow(
      `${file}: ${field} of net-1 cannot be read: EISDIR: illegal operation on a directory`,
    )
  },
)

test('an identityFile that does not exist is said before a host is reached; knownHosts need not exist yet', () => {
  const file = join(folder, 'absent-files.json')
  writeFileSync(file, inventory({ address: 'a', knownHosts: 'absent' }))
  expect(readInventory(file, lab)['net-1']?.knownHosts).toBe(join(folder, 'absent'))
  writeFileSync(file, inventory({ address: 'a', identityFile: 'absent' }))
  expect(() => readInventory(file, lab)).toThrow('identityFile of consul-server cannot be read: ENOENT')
})

test('the hosts are reached out of band only where none is reached by its address on the lab’s network', () => {
  const can = (name: string, others: Record<string, unknown>) => {
    const file = join(folder, name)
    writeFileSync(file, inventory(undefined, others))
    return sshBackend({ ...options, inventory: file }).outOfBand
  }
  expect(can('apart.json', {})).toBe(true)
  expect(can('across.json', { 'net-1': { address: '192.168.33.11' } })).toBe(false)
})
