/**
 * `--backend ssh`: machines that exist, reached as an inventory says. Here they are nspawn hosts, behind TCP.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RelayedLab, relayedLab } from './inventory.ts'
import { lab, start } from './machine.ts'
import { bringUpSharedLab, sharedLab } from './shared-lab.ts'

let relayed: RelayedLab
const over = (inventory: string) => ['--backend', 'ssh', '--inventory', inventory]

beforeAll(async () => {
  await bringUpSharedLab()
  relayed = await relayedLab(sharedLab)
})
afterAll(() => relayed[Symbol.asyncDispose]())

test('commands run as root, whether the inventory logs in as root or as a user who may sudo', async () => {
  const inventory = relayed.inventory()
  for (const host of ['consul-server', 'net-1']) {
    const { code, stdout } = await lab('exec', ...over(inventory), host, 'id -un; uname -n; exit 7')
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 7, stdout: `root\n${host}\n` })
  }
})

test('up provisions the machines, and down leaves them', async () => {
  const inventory = relayed.inventory()
  expect((await lab('up', ...over(inventory))).stdout.toString()).toMatch(/nothing changed\n$/)
  const { code, stderr } = await lab('down', ...over(inventory))
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringContaining('does not take down the machines of an inventory'),
  })
  expect((await lab('exec', ...over(inventory), 'net-1', 'docker version')).code).toBe(0)
})

test('a host that shows another key than the pinned one is refused, and so is one that has none', async () => {
  const { 'net-1': net1, 'net-2': net2, ...others } = relayed.entries
  const swapped = { ...others, 'net-1': { ...net1, hostKey: net2?.hostKey }, 'net-2': net2 }
  const { code, stderr } = await lab('exec', ...over(relayed.inventory(swapped)), 'net-1', 'true')
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringContaining('has another key than the one in'),
  })
  const { hostKey: _, ...unpinned } = net1 ?? {}
  const entry = { ...unpinned, knownHosts: 'known_hosts' }
  const unknown = { ...others, 'net-1': entry, 'net-2': net2 }
  const asked = await lab('exec', ...over(relayed.inventory(unknown)), 'net-1', 'true')
  expect(asked.stderr).toContain('whose key is not in')
  const accepting = { ...unknown, 'net-1': { ...entry, acceptNew: true } }
  expect((await lab('exec', ...over(relayed.inventory(accepting)), 'net-1', 'true')).code).toBe(0)
  expect((await lab('exec', ...over(relayed.inventory(unknown)), 'net-1', 'true')).code).toBe(0)
  const foreign = Buffer.from(
    'AAAAC3NzaC1lZDI1NTE5AAAAIHGUtxqZhdMnIqdcv7iHlXMqtVgAUm2nuP9QWPe0UPNQ',
    'base64',
  )
  const line = `[127.0.0.1]:${net1?.port} ssh-ed25519 ${foreign.toString('base64')}\n`
  writeFileSync(join(relayed.folder, 'known_hosts'), line)
  expect((await lab('exec', ...over(relayed.inventory(accepting)), 'net-1', 'true')).code).toBe(2)
})

test('a machine that is not there is said with its address, and the others are shown', async () => {
  const { 'net-2': net2, ...others } = relayed.entries
  const inventory = relayed.inventory({ ...others, 'net-2': { ...net2, port: 1 } })
  const { stderr } = await lab('exec', ...over(inventory), 'net-2', 'true')
  expect(stderr).toContain('net-2: no ssh at 127.0.0.1:1: connect ECONNREFUSED')
  const status = (await lab('status', ...over(inventory))).stdout.toString()
  expect(status).toMatch(/net-1 .* running/)
  expect(status).toMatch(/net-2 .* unreachable/)
})

test('scenarios run on them, what needs faults of the network is skipped with the reason, and they stay', async () => {
  const inventory = relayed.inventory()
  const { ended, soFar } = start(
    'scenarios/main.ts',
    ...over(inventory),
    'overlay/cluster',
    'faults/partition',
  )
  expect((await ended).code, soFar()).toBe(0)
  expect(soFar()).toContain(
    'needs network faults that are made outside the hosts, which backend ssh does not have',
  )
  expect(soFar()).toContain('three hosts are up')
  expect((await lab('exec', ...over(inventory), 'net-1', 'docker version')).code).toBe(0)
})
