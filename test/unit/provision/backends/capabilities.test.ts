import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { lackOf } from '../../../../provision/backends/capabilities.ts'
import { nspawnBackend } from '../../../../provision/backends/nspawn/backend.ts'
import { sshBackend } from '../../../../provision/backends/ssh/backend.ts'
import { vagrantBackend } from '../../../../provision/backends/vagrant/backend.ts'
import { defaultLab } from '../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

const inventory = join(folder, 'inventory.json')
const lab = defaultLab()
const across = lab.hosts.map(({ name, address }) => [name, { address }])
writeFileSync(inventory, JSON.stringify({ hosts: Object.fromEntries(across) }))
const options = {
  name: 'none',
  lab,
  explicit: false,
  engines: {},
  programs: {},
  secure: false,
  inventory: '',
}
const needs = ['out of band', 'network faults', 'power'] as const

test('nspawn lacks nothing, VMs what is made outside of them, and an inventory says its own', () => {
  const lacks = (backend: ReturnType<typeof vagrantBackend>) =>
    needs.flatMap((need) => lackOf(backend, need) ?? [])
  expect(lacks(nspawnBackend(options))).toEqual([])
  expect(lacks(vagrantBackend(options))).toEqual([
    'needs network faults that are made outside the hosts, which backend vagrant does not have',
    'needs hosts that can be switched off and on again within seconds, which backend vagrant does not have',
  ])
  expect(lacks(sshBackend({ ...options, inventory }))).toHaveLength(3)
})
