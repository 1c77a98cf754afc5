import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { vagrantBackend } from '../../../../../provision/backends/vagrant/backend.ts'
import { generateLab, type Lab, namesOf } from '../../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
const made: Lab = { ...generateLab(2), source: '/lists/mine.json' }

beforeAll(() => {
  vi.stubEnv('VAGRANT_DOTFILE_PATH', folder)
  vi.stubEnv('PATH', '/nowhere') // without vagrant
  writeFileSync(join(folder, 'multihost-lab.json'), JSON.stringify(made))
  mkdirSync(join(folder, 'machines/net-1/libvirt'), { recursive: true })
  writeFileSync(join(folder, 'machines/net-1/libvirt/id'), 'made')
})
afterAll(() => {
  vi.unstubAllEnvs()
})

const backend = (lab: Lab, explicit: boolean) =>
  vagrantBackend({ name: 'vagrant', lab, explicit, engines: {}, programs: {}, secure: false, inventory: '' })
const up = async (lab: Lab, explicit: boolean) => {
  for (const work of backend(lab, explicit).prepare()) if ('run' in work) await work.run(() => undefined)
}

test('the hosts are those that the machines were made of', () => {
  expect(namesOf(backend(generateLab(4), true).lab)).toEqual(namesOf(made))
})

test('a list that was edited under machines is refused before Vagrant is started, and what differs is said', async () => {
  const edited = { ...generateLab(3), source: made.source }
  const message =
    'there are virtual machines of other hosts than /lists/mine.json says: new: net-3 192.168.33.13 (docker)'
  await expect(up(edited, true)).rejects.toThrow(message)
  await expect(up(edited, false)).rejects.toThrow(message)
})

test('machines of another list are used as they are by who names no list', async () => {
  await expect(up(generateLab(3), false)).rejects.toThrow('there is no vagrant on this machine')
})

test('who names another list reaches no machine, and can take them down', async () => {
  const message = 'there are virtual machines of other hosts than --hosts 3 --consul 1 says: new: net-3'
  const other = backend(generateLab(3), true)
  const [host] = made.hosts
  if (host === undefined) throw new Error('the list is empty')
  await expect(other.connect(host)).rejects.toThrow(message)
  await expect(other.states()).rejects.toThrow(message)
  const withoutVagrant = 'there is no vagrant on this machine'
  await expect(other.down()).rejects.toThrow(withoutVagrant)
  for (const same of [backend(generateLab(3), false), backend(generateLab(2), true)]) {
    await expect(same.connect(host)).rejects.toThrow(withoutVagrant)
    await expect(same.states()).rejects.toThrow(withoutVagrant)
  }
})
