import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Asked } from '../../../../../provision/backends/nspawn/claim.ts'
import { generateLab, parseLab } from '../../../../../provision/lab/definition.ts'
import { loadedWith } from '../../../../fixtures/loaded-with.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
let module: typeof import('../../../../../provision/backends/nspawn/claim.ts')
let records: typeof import('../../../../../provision/backends/nspawn/record.ts')

loadedWith({ MULTIHOST_LAB_RUN: folder }, async () => {
  module = await import('../../../../../provision/backends/nspawn/claim.ts')
  records = await import('../../../../../provision/backends/nspawn/record.ts')
})

const asked = (more: Partial<Asked> = {}): Asked => ({
  lab: generateLab(2),
  explicit: false,
  engines: {},
  programs: {},
  ...more,
})

/** A lab that is up, made as asked. */
async function made(name: string, as: Asked): Promise<void> {
  expect(await module.claim(name, as)).toBe('made')
  const { owner: _, ...record } = records.existing(name)
  records.writeRecord({ ...record, complete: true })
}

test('a lab that is up is joined by who asks for the same, or for nothing', async () => {
  const as = asked({ lab: generateLab(3), explicit: true, engine: '28' })
  await made('same', as)
  expect(await module.claim('same', as)).toBe('joined')
  expect(await module.claim('same', asked())).toBe('joined')
  expect(records.existing('same').definition.hosts).toHaveLength(4)
})

const dead = { pid: process.pid, startedAt: '0' }
/** This process's parent stands for another run. */
const living = () => records.ownerOf(process.ppid) as { pid: number; startedAt: string }
const ownedBy = (name: string, owner: { pid: number; startedAt: string; stays?: boolean }) =>
  records.writeRecord({ ...records.existing(name), owner })

test('a lab that is up has an owner while it is used, and none afterwards', async () => {
  await made('used', asked())
  const release = module.own('used')
  expect(records.ownership(records.existing('used'))).toBe('mine')
  release()
  expect(records.existing('used')).toMatchObject({ complete: true })
  expect(records.existing('used').owner).toBeUndefined()
})

test('a lab is used by one process at a time, and the error names that process', async () => {
  await made('busy', asked())
  ownedBy('busy', living())
  const refusal = `lab busy is in use by process ${process.ppid}`
  expect(() => module.own('busy')).toThrow(refusal)
  expect(() => module.refuseOthers('busy')).toThrow(refusal)
  expect(records.existing('busy').owner).toEqual(living())
})

test('a lab that another process has made meanwhile is not removed', async () => {
  const { removeLab } = await import('../../../../../provision/backends/nspawn/removal.ts')
  await made('anew', asked())
  ownedBy('anew', living())
  await expect(removeLab('anew')).rejects.toThrow(`lab anew is in use by process ${process.ppid}`)
  expect(records.existing('anew')).toMatchObject({ complete: true, owner: living() })
})

test('a lab that is not up cannot be used, and no record of it appears', () => {
  expect(() => module.own('absent')).toThrow('lab absent is not up')
  expect(records.readRecord('absent')).toBeUndefined()
})

test('a lab stays when a process that used it was killed, and goes when the one that made it was', async () => {
  await made('killed', asked())
  module.own('killed')
  ownedBy('killed', { ...records.existing('killed').owner, ...dead })
  expect(records.ownership(records.existing('killed'))).toBe('free')
  await made('joined', asked())
  await module.claim('joined', asked())
  ownedBy('joined', { ...records.existing('joined').owner, ...dead })
  expect(records.ownership(records.existing('joined'))).toBe('free')
  expect(await module.claim('making', asked())).toBe('made')
  ownedBy('making', { ...records.existing('making').owner, ...dead })
  expect(records.ownership(records.existing('making'))).toBe('dead')
})

test('a use of what a killed runner left does not turn it into a lab that stays', async () => {
  await made('left', asked())
  ownedBy('left', dead)
  const release = module.own('left')
  expect(records.existing('left').owner?.stays).toBeUndefined()
  release()
  expect(records.ownership(records.existing('left'))).toBe('dead')
})

test('another number of hosts is refused, and what differs is said', async () => {
  await made('number', asked({ lab: generateLab(2), explicit: true }))
  await expect(module.claim('number', asked({ lab: generateLab(3), explicit: true }))).rejects.toThrow(
    'lab number is up with other hosts than --hosts 3 --consul 1 says: new: net-3 192.168.33.13 (docker)',
  )
})

test('a list that was edited under a lab is refused, also when it is the default one', async () => {
  const { network, hosts } = generateLab(2)
  const list = (at: string) => {
    const edited = hosts.map((host) => (host.name === 'net-2' ? { ...host, address: at } : host))
    return parseLab(JSON.stringify({ network, hosts: edited }), 'provision/lab.json')
  }
  await made('edited', asked({ lab: list('192.168.33.12') }))
  await expect(module.claim('edited', asked({ lab: list('192.168.33.22') }))).rejects.toThrow(
    'new: net-2 192.168.33.22 (docker); gone: net-2 192.168.33.12 (docker)',
  )
})

test('another engine, and other programs, are refused', async () => {
  await made('engine', asked({ programs: { engine: '/opt/one' } }))
  await expect(module.claim('engine', asked({ engine: '28' }))).rejects.toThrow(
    'lab engine is up with engine 26 on consul-server, net-1, net-2, not 28',
  )
  await expect(module.claim('engine', asked({ programs: { engine: '/opt/two' } }))).rejects.toThrow(
    'lab engine is up with --engine-from /opt/one, not /opt/two',
  )
})

test('a lab whose disks are in another folder is not used, and the folder is named', async () => {
  await made('apart', asked())
  records.writeRecord({ ...records.existing('apart'), disks: '/dev/shm/labs' })
  const refusal = /^lab apart has its disks in \/dev\/shm\/labs, and this command would look in \//
  await expect(module.claim('apart', asked())).rejects.toThrow(refusal)
  expect(() => module.own('apart')).toThrow(refusal)
  expect(records.existing('apart').owner).toBeUndefined()
})

test('the folder of records is read from the command line of a host', () => {
  const words = (root: string) => ['systemd-nspawn', '--boot', `--directory=${root}`]
  expect(module.runRootIn(words('/run/labs/main/hosts/net-1/root'), 'main')).toBe('/run/labs')
  expect(module.runRootIn(words('/run/labs/other/hosts/net-1/root'), 'main')).toBeUndefined()
  expect(module.runRootIn(['sleep', '9'], 'main')).toBeUndefined()
})

test.runIf(process.getuid?.() === 0)(
  'a lab of that name with its record elsewhere keeps its hosts',
  async () => {
    const { makeCgroup, cgroupFolders, killCgroup, processesIn, removeCgroup } = await import(
      '../../../../../provision/backends/nspawn/cgroup.ts'
    )
    const [name, group] = ['tforeign', 'multihost-lab/tforeign']
    makeCgroup(`${group}/net-1`)
    const host = spawn('sh', ['-c', 'sleep 60; :', `--directory=/run/elsewhere/${name}/hosts/net-1/root`])
    try {
      for (const folder of cgroupFolders(`${group}/net-1`))
        writeFileSync(join(folder, 'cgroup.procs'), `${host.pid}`)
      await expect(module.claim(name, asked())).rejects.toThrow(
        'a lab tforeign is up, whose record is in /run/elsewhere',
      )
      expect(records.readRecord(name)).toBeUndefined()
      expect(processesIn(group)).toContain(host.pid)
    } finally {
      await killCgroup(group)
      await removeCgroup(group)
    }
  },
)

test('a lab that is up without a secured Consul does not become secured', async () => {
  await made('plain', asked())
  await expect(module.claim('plain', asked({ secure: true }))).rejects.toThrow(
    'lab plain is up without --secure',
  )
  mkdirSync(join(folder, 'plain/secrets'))
  expect(await module.claim('plain', asked({ secure: true }))).toBe('joined')
})
