import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { chooseLab, labOptions, parse } from '../../../../provision/cli/arguments.ts'
import { defaultLab, generateLab, hostNamed, namesOf, readLab } from '../../../../provision/lab/definition.ts'
import { shellQuote } from '../../../../provision/process/quote.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
const inventory = join(folder, 'inventory.json')
const entries = namesOf(defaultLab()).map((name) => [name, { address: `${name}.example` }])
writeFileSync(inventory, JSON.stringify({ hosts: Object.fromEntries(entries) }))

test('an unknown flag names the allowed ones', () => {
  expect(() => parse(['--engin', '26'], labOptions)).toThrow(
    'unknown flag "--engin": allowed are --lab, --backend, --inventory, --engine',
  )
})

test('a value that looks like a flag is refused in one line', () => {
  expect(() => parse(['--hosts', '-1'], labOptions)).toThrow(/^Option '--hosts' argument is ambiguous$/)
})

test('an option that is given twice is refused, unless both values are the same or it takes several', () => {
  expect(() => parse(['--lab', 'a', '--lab=b'], labOptions)).toThrow('--lab is given twice: a and b')
  expect(parse(['--lab', 'a', '--lab', 'a'], labOptions).values).toEqual({ lab: 'a' })
  const engines = ['26', 'net-1=28']
  expect(
    parse(
      engines.flatMap((each) => ['--engine', each]),
      labOptions,
    ).values,
  ).toEqual({ engine: engines })
})

test('an option without a value is refused as it was typed', () => {
  const options = { ...labOptions, pattern: { type: 'string', short: 't' } } as const
  for (const option of ['--lab', '--backend', '--hosts', '--lab-file', '--engine', '--engine-from', '-t'])
    expect(() => parse([option, ''], options)).toThrow(`${option} has no value`)
  expect(() => parse(['--lab='], options)).toThrow('--lab has no value')
})

test('two engines for the same hosts are refused', async () => {
  await expect(chooseLab({ engine: ['26', '28'] }, 'main', {})).rejects.toThrow(
    '--engine says both 26 and 28',
  )
  await expect(chooseLab({ engine: ['net-1=26', 'net-1=28'] }, 'main', {})).rejects.toThrow(
    '--engine says both 26 and 28 for net-1',
  )
})

test('an unknown backend names the allowed ones', async () => {
  await expect(chooseLab({ backend: 'kubernetes' }, 'main', {})).rejects.toThrow(
    'unknown backend "kubernetes": allowed are nspawn, vagrant, ssh',
  )
})

test('an unknown engine names the allowed ones', async () => {
  await expect(chooseLab({ engine: ['19'] }, 'main', {})).rejects.toThrow(
    'unknown engine "19": allowed are 20.10, 26, 28, 29',
  )
  await expect(chooseLab({ engine: ['net-1=27'] }, 'main', {})).rejects.toThrow(
    'unknown engine "27": allowed are 20.10, 26, 28, 29',
  )
  await expect(chooseLab({ engine: ['net-1=28=29'] }, 'main', {})).rejects.toThrow('unknown engine "28=29"')
})

test('an unknown engine is refused before machines of an inventory are touched', async () => {
  const ssh = { backend: 'ssh', inventory }
  await expect(chooseLab({ ...ssh, engine: ['19'] }, 'main', {})).rejects.toThrow('unknown engine "19"')
  await expect(chooseLab({ ...ssh, engine: ['net-1=19'] }, 'main', {})).rejects.toThrow('unknown engine "19"')
  await expect(chooseLab(ssh, 'main', { MULTIHOST_ENGINE: '19' })).rejects.toThrow('unknown engine "19"')
})

test('an engine that Debian does not have is refused where hosts are built from Debian', async () => {
  await expect(chooseLab({ engine: ['29'] }, 'main', {})).rejects.toThrow('engine 29 is in no Debian release')
  const { backend } = await chooseLab({ backend: 'ssh', inventory, engine: ['29'] }, 'main', {})
  expect(backend.engineOf(hostNamed(backend.lab, 'net-1'))).toBe('29')
})

test('an unknown host names the allowed ones', async () => {
  expect(() => hostNamed(defaultLab(), 'net-9')).toThrow(
    'unknown host "net-9": allowed are consul-server, net-1, net-2',
  )
  await expect(chooseLab({ engine: ['net-9=28'] }, 'main', {})).rejects.toThrow('unknown host "net-9"')
})

test('a lab name that could not name a namespace or a folder is refused', async () => {
  for (const lab of ['A', '../x', 'a b', 'a\nb', 'a'.repeat(17), '9a', 'net-1']) {
    await expect(chooseLab({ lab }, 'main', {})).rejects.toThrow(`${JSON.stringify(lab)} cannot name a lab`)
  }
})

test('a flag goes before its variable, and a variable before what is usual', async () => {
  const labOf = async (values: { lab?: string }, variables: Record<string, string>) =>
    (await chooseLab(values, 'main', variables)).lab
  expect(await labOf({}, {})).toBe('main')
  expect(await labOf({}, { MULTIHOST_LAB: 'mine' })).toBe('mine')
  expect(await labOf({ lab: 'other' }, { MULTIHOST_LAB: 'mine' })).toBe('other')
  expect(await labOf({}, { MULTIHOST_LAB: '' })).toBe('main')
})

test('the inventory is named by a flag or by a variable, and the backend ssh wants one', async () => {
  const variables = { MULTIHOST_BACKEND: 'ssh', MULTIHOST_INVENTORY: inventory }
  const byVariables = await chooseLab({}, 'main', variables)
  const byFlags = await chooseLab({ backend: 'ssh', inventory }, 'main', {})
  for (const { backend, flags, environment } of [byVariables, byFlags]) {
    expect(backend.name).toBe('ssh')
    expect(flags).toBe(` --backend ssh --inventory ${inventory}`)
    expect(environment).toEqual(variables)
  }
  await expect(chooseLab({ backend: 'ssh' }, 'main', {})).rejects.toThrow('needs --inventory FILE')
})

test('a flag that the backend would pass over is refused', async () => {
  await expect(chooseLab({ inventory }, 'main', {})).rejects.toThrow(
    '--inventory is for --backend ssh, not for --backend nspawn',
  )
  await expect(chooseLab({ backend: 'ssh', inventory, secure: true }, 'main', {})).rejects.toThrow(
    '--secure is for --backend nspawn, not for --backend ssh',
  )
  await expect(chooseLab({ backend: 'vagrant', lab: 'mine' }, 'main', {})).rejects.toThrow(
    '--lab is for --backend nspawn, not for --backend vagrant',
  )
})

test('the hosts are those of a file, or so many as a number says; otherwise those of the walkthrough', async () => {
  const namesFor = async (values: Parameters<typeof chooseLab>[0], variables: Record<string, string> = {}) =>
    namesOf((await chooseLab({ lab: 'none', ...values }, 'main', variables)).backend.lab)
  const file = join(folder, 'lab.json')
  writeFileSync(file, JSON.stringify(generateLab(1)))
  expect(await namesFor({})).toEqual(['consul-server', 'net-1', 'net-2'])
  expect(await namesFor({ hosts: '3' })).toEqual(['consul-server', 'net-1', 'net-2', 'net-3'])
  expect(await namesFor({ consul: '3' })).toEqual(['consul-1', 'consul-2', 'consul-3', 'net-1', 'net-2'])
  expect(await namesFor({ 'lab-file': file })).toEqual(['consul-server', 'net-1'])
  expect(await namesFor({}, { MULTIHOST_LAB_FILE: file })).toEqual(['consul-server', 'net-1'])
})

test.each([
  [{ hosts: '0' }, '--hosts 0: a whole number from 1 to 200'],
  [{ hosts: '5000' }, '--hosts 5000: a whole number from 1 to 200'],
  [{ hosts: 'many' }, '--hosts many: a whole number from 1 to 200'],
  [{ hosts: '3x' }, '--hosts 3x: a whole number from 1 to 200'],
  [{ hosts: '03' }, '--hosts 03: a whole number from 1 to 200'],
  [{ hosts: '1e1' }, '--hosts 1e1: a whole number from 1 to 200'],
  [{ hosts: '-1' }, '--hosts -1: a whole number from 1 to 200'],
  [{ consul: '1x' }, '--consul 1x: 1, 3 or 5'],
  [{ consul: '2' }, '--consul 2: 1, 3 or 5'],
  [{ hosts: '3', 'lab-file': 'x' }, '--lab-file names every host, and --hosts and --consul count them'],
  [{ 'engine-from': '/etc/hostname' }, '--engine-from /etc/hostname: there is no such folder'],
  [{ 'engine-from': '/usr/bin' }, '--engine-from /usr/bin: there is no dockerd in this folder'],
  [{ 'consul-from': '/nowhere' }, '--consul-from /nowhere: there is no such file'],
  [{ 'consul-from': '/usr/bin/env' }, '--consul-from /usr/bin/env: this program is not Consul'],
  [{ 'consul-from': '/etc/hostname' }, '--consul-from /etc/hostname: not a Linux program'],
])('hosts and programs that are refused: %j', async (values, message) => {
  await expect(chooseLab(values, 'main', {})).rejects.toThrow(message)
})

test('a child process of other machines reads the list of hosts from a file', async () => {
  const file = join(folder, 'three hosts.json')
  const lab = generateLab(3)
  writeFileSync(
    file,
    JSON.stringify({ hosts: Object.fromEntries(namesOf(lab).map((name) => [name, { address: name }])) }),
  )
  const { environment, flags } = await chooseLab({ backend: 'ssh', inventory: file, hosts: '3' }, 'main', {})
  expect(readLab(environment.MULTIHOST_LAB_FILE ?? '').hosts).toEqual(lab.hosts)
  expect(flags).toContain(` --inventory '${file}'`) // a person pastes them into a shell
  expect(flags).toContain(` --lab-file ${shellQuote(environment.MULTIHOST_LAB_FILE ?? '')}`)
})
