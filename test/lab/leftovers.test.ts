/**
 * Nothing is left behind, ever; and nothing that is not the lab's is touched.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inventory, lab, processes, remains, start, until } from './machine.ts'

const name = 'tleft'
const lookAlikes = ['mhlab-other-net-1', 'mhlab', `mhlab-${name}`, `mhlab-${name}x-net-1`]
const folders = [`/var/lib/multihost-lab-other`, `/run/multihost-labs/${name}`]

const removeLookAlikes = async () => {
  for (const each of lookAlikes) await execa('ip', ['netns', 'del', each], { reject: false })
}

beforeAll(async () => {
  await removeLookAlikes() // of a run that was killed
  for (const each of lookAlikes) await execa('ip', ['netns', 'add', each])
  for (const folder of folders) mkdirSync(folder, { recursive: true })
})
afterAll(async () => {
  await lab('down', '--lab', name)
  await removeLookAlikes()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  rmSync('/run/multihost-labs', { recursive: true, force: true })
})

/** Without the labs of others, which come and go meanwhile. */
const others = /mhlab-(?!tleft-)[a-z0-9]+-|multihost-lab\/(?!tleft\/)/
const own = () =>
  inventory().filter((line) => lookAlikes.some((each) => line.endsWith(each)) || !others.test(line))
const namespaces = () => own().filter((line) => line.startsWith('namespace '))

test('down leaves the machine as it was before up, look-alikes included', async () => {
  const before = own()
  const up = await lab('up', '--lab', name)
  expect(up.code, up.stderr).toBe(0)
  expect(remains(name).length).toBeGreaterThan(5)
  await lab('down', '--lab', name)
  expect(remains(name)).toEqual([])
  expect(own()).toEqual(before)
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s while the lab is made takes down what is half made',
  async (signal) => {
    const { child, ended, soFar } = start('provision/lab.ts', 'up', '--lab', name)
    await until('the hosts boot', () => remains(name).some((line) => line.startsWith('process')))
    child.kill(signal)
    const { code } = await ended
    expect(code, soFar()).toBe(signal === 'SIGINT' ? 130 : 143)
    expect(remains(name)).toEqual([])
  },
)

test('SIGTERM while scenarios run ends vitest, takes the lab down and exits 143', async () => {
  const { child, ended, soFar } = start('scenarios/main.ts', '--lab', name, 'overlay/cluster')
  await until('vitest runs', () => soFar().includes('RUN'))
  child.kill('SIGTERM')
  expect((await ended).code, soFar()).toBe(143)
  expect(remains(name)).toEqual([])
})

test('gc removes the lab of a runner that was killed, and no look-alike', async () => {
  const { child, ended } = start('provision/lab.ts', 'up', '--lab', name)
  await until('the hosts boot', () => remains(name).some((line) => line.startsWith('process')))
  child.kill('SIGKILL')
  await ended
  expect(remains(name)).not.toEqual([])
  const before = namespaces().filter((line) => !line.includes(`mhlab-${name}-`))
  const { stdout } = await lab('gc')
  expect(stdout.toString()).toContain(`removed lab ${name}: its runner is gone`)
  expect(remains(name)).toEqual([])
  expect(namespaces()).toEqual(before)
})

test('the next up clears what a killed runner left, and makes the lab whole', async () => {
  const { child, ended } = start('provision/lab.ts', 'up', '--lab', name)
  await until('the hosts boot', () => remains(name).some((line) => line.startsWith('process')))
  child.kill('SIGKILL')
  await ended
  const { code, stderr } = await lab('up', '--lab', name)
  expect(code, stderr).toBe(0)
})

test('a host whose nspawn was killed is made anew by up, and removed by gc', async () => {
  const kill = () => {
    const nspawn = processes().find(
      ({ command }) => command.startsWith(`systemd-nspawn`) && command.includes(`mhlab-${name}-net-2`),
    )
    process.kill(nspawn?.pid as number, 'SIGKILL')
  }
  kill()
  await until(
    'net-2 is broken',
    () =>
      !processes().some(
        ({ command }) => command.startsWith('systemd-nspawn') && command.includes(`mhlab-${name}-net-2`),
      ),
  )
  expect((await lab('status', '--lab', name)).stdout.toString()).toMatch(/net-2 .* broken/)
  expect((await lab('up', '--lab', name)).code).toBe(0)
  expect((await lab('exec', '--lab', name, 'net-2', 'docker version')).code).toBe(0)
  kill()
  expect((await lab('gc')).stdout.toString()).toContain(`lab ${name}: net-2 had lost its nspawn process`)
  expect((await lab('status', '--lab', name)).stdout.toString()).toMatch(/net-2 .* absent/)
})

test('a host whose namespace lost its name, and a lab whose switch did, are plugged in again by up', async () => {
  for (const [lost, broken] of [
    [`mhlab-${name}-net-1`, 'net-1'],
    [`mhlab-${name}-switch`, undefined],
  ] as const) {
    await execa('ip', ['netns', 'del', lost])
    if (broken) expect((await lab('status', '--lab', name)).stdout.toString()).toMatch(/net-1 .* broken/)
    const { code, stderr } = await lab('up', '--lab', name)
    expect(code, stderr).toBe(0)
    expect((await lab('exec', '--lab', name, 'net-1', 'ping -c1 -W5 net-2')).code).toBe(0)
  }
})

test('an up that is interrupted on a lab that was whole leaves it to stay', async () => {
  const { child, ended, soFar } = start('provision/lab.ts', 'up', '--lab', name)
  await until('the lab is claimed', () => soFar().includes('network'))
  child.kill('SIGINT')
  expect((await ended).code, soFar()).toBe(130)
  expect((await lab('gc')).stdout.toString()).not.toContain(`lab ${name}`)
  expect((await lab('exec', '--lab', name, 'net-1', 'true')).code).toBe(0)
})

test('gc and down leave what is no lab’s: a record of another kind, a folder beside the disks', async () => {
  const [record, disks] = ['/run/multihost-lab/tleftjunk', '/var/lib/multihost-lab/tleftjunk']
  for (const folder of [record, disks]) mkdirSync(folder, { recursive: true })
  writeFileSync(`${record}/record.json`, '{')
  writeFileSync(`${disks}/data`, 'precious')
  try {
    for (const args of [['gc'], ['down', '--lab', 'tleftjunk']]) {
      const { code, stderr } = await lab(...args)
      expect(code).toBe(2)
      expect(stderr).toContain(`${record}/record.json is not a record of a lab`)
    }
    rmSync(record, { recursive: true })
    await lab('gc')
    expect(readFileSync(`${disks}/data`, 'utf8')).toBe('precious')
  } finally {
    for (const folder of [record, disks]) rmSync(folder, { recursive: true, force: true })
  }
})

test('a lab that a living process is making is refused to others, and that lab goes on', async () => {
  await lab('down', '--lab', name)
  const { child, ended, soFar } = start('provision/lab.ts', 'up', '--lab', name)
  await until('the hosts boot', () => remains(name).some((line) => line.startsWith('process')))
  child.kill('SIGSTOP') // so that it surely still is at it
  try {
    for (const [file, ...args] of [
      ['provision/lab.ts', 'up'],
      ['provision/lab.ts', 'down'],
      ['scenarios/main.ts'],
    ] as const) {
      const { code, stderr } = await start(file, ...args, '--lab', name).ended
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`in use by process ${child.pid}`),
      })
    }
  } finally {
    child.kill('SIGCONT')
  }
  expect((await ended).code, soFar()).toBe(0)
  expect((await lab('exec', '--lab', name, 'net-1', 'docker version')).code).toBe(0)
})

test('a lab with --on is refused to others, keeps their report out, and stays when the runner is killed', async () => {
  expect((await lab('up', '--lab', name)).code).toBe(0)
  const { child, ended, soFar } = start('scenarios/main.ts', '--on', name, 'conformance/')
  await until('vitest runs', () => soFar().includes('RUN'))
  const file = new URL(`../../report/${name}/events.jsonl`, import.meta.url)
  const events = () => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  await until('a command is recorded', () => events() !== '')
  const before = events()
  for (const [program, ...args] of [
    ['provision/lab.ts', 'up', '--lab', name],
    ['provision/lab.ts', 'down', '--lab', name],
    ['scenarios/main.ts', '--lab', name, 'overlay/cluster'],
    ['scenarios/main.ts', '--on', name, 'overlay/cluster'],
  ] as const) {
    const { code, stderr } = await start(program, ...args).ended
    expect({ code, stderr }, `${program} ${args.join(' ')}`).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`in use by process ${child.pid}`),
    })
  }
  expect((await lab('exec', '--lab', name, 'net-1', 'true')).code).toBe(0)
  expect((await lab('status', '--lab', name)).code).toBe(0)
  expect(events().startsWith(before)).toBe(true)
  expect(events()).not.toContain('"kind":"run"')
  child.kill('SIGKILL')
  await ended // vitest has ended too, since it shares the runner's output
  expect((await lab('gc')).stdout.toString()).not.toContain(`lab ${name}`)
  expect((await lab('exec', '--lab', name, 'net-1', 'docker version')).code).toBe(0)
  const next = await start('scenarios/main.ts', '--on', name, 'overlay/cluster', '-t', 'leader').ended
  // What the killed run has left on the hosts may fail a scenario.
  expect([0, 1], `${next.stdout}${next.stderr}`).toContain(next.code)
  expect(readFileSync(`/run/multihost-lab/${name}/record.json`, 'utf8')).not.toContain('owner')
  expect((await lab('down', '--lab', name)).code).toBe(0)
  expect(remains(name)).toEqual([])
})

test('a host that is lost while scenarios run is exit code 2, not a success', async () => {
  await lab('down', '--lab', name)
  const { child, ended, soFar } = start('scenarios/main.ts', '--lab', name, 'overlay/cluster')
  await until('vitest runs', () => soFar().includes('RUN'))
  const nspawn = processes().find(
    ({ command }) => command.startsWith('systemd-nspawn') && command.includes(`mhlab-${name}-consul-server`),
  )
  process.kill(nspawn?.pid as number, 'SIGKILL')
  child.stdin.end()
  expect((await ended).code, soFar()).toBe(2)
  expect(soFar()).toContain('the lab was lost while the scenarios ran: consul-server')
  expect(remains(name)).toEqual([])
})
