import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  checkAnswer,
  checkedPrograms,
  checkProgram,
  engineProgramsIn,
} from '../../../../provision/images/programs.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

/** The first bytes of a program for the processor. */
const program = (name: string, machine: number) => {
  const header = Buffer.alloc(64)
  header.write('\x7fELF', 'latin1')
  header.writeUInt16LE(machine, 18)
  writeFileSync(join(folder, name), header)
  return join(folder, name)
}

test('a program is for the processor of the hosts', () => {
  const path = program('one', 183)
  const hosts = (arch: string) => ({ arch, name: 'the hosts are' })
  checkProgram(path, '--consul-from', hosts('arm64'))
  expect(() => checkProgram(path, '--consul-from', hosts('x64'))).toThrow(
    `--consul-from ${path}: a program for arm64, and the hosts are x64`,
  )
  expect(() => checkProgram(program('two', 8), '--engine-from', hosts('x64'))).toThrow(
    'a program for ELF machine 8',
  )
})

test('a file that ends in its header is no program', () => {
  const path = join(folder, 'short')
  writeFileSync(path, '\x7fELF')
  expect(() => checkProgram(path, '--engine-from')).toThrow('not a Linux program (no ELF header)')
})

test('a link to nothing is no program, and not a missing one', async () => {
  const engine = join(folder, 'links')
  mkdirSync(engine)
  symlinkSync('nowhere', join(engine, 'dockerd'))
  await expect(checkedPrograms({ engine }, true)).rejects.toThrow(
    `--engine-from ${join(engine, 'dockerd')}: a link to a file that does not exist`,
  )
})

test("Consul's program must be executable", async () => {
  const consul = join(folder, 'consul')
  copyFileSync('/usr/bin/sleep', consul)
  chmodSync(consul, 0o644)
  await expect(checkedPrograms({ consul }, true)).rejects.toThrow(`--consul-from ${consul}: not executable`)
})

test('an engine folder needs dockerd; what else it has is taken, and other files are ignored', async () => {
  await expect(checkedPrograms({ engine: folder }, true)).rejects.toThrow(
    'there is no dockerd in this folder',
  )
  const own = process.arch === 'arm64' ? 183 : 62
  for (const name of ['dockerd', 'runc', 'ctr']) program(name, own)
  expect(Object.keys(engineProgramsIn(folder))).toEqual(['dockerd', 'runc'])
  expect(await checkedPrograms({ engine: folder }, true)).toEqual({ engine: folder, consul: undefined })
  program('containerd', own === 62 ? 183 : 62)
  await expect(checkedPrograms({ engine: folder }, true)).rejects.toThrow('--engine-from')
})

test('programs for other machines are not asked of this one', async () => {
  const [consul, engine] = [program('foreign-consul', 8), join(folder, 'foreign')]
  mkdirSync(engine)
  program('foreign/dockerd', 8)
  expect(await checkedPrograms({ engine, consul }, false)).toEqual({ engine, consul })
  writeFileSync(consul, 'no program')
  await expect(checkedPrograms({ consul }, false)).rejects.toThrow('not a Linux program (no ELF header)')
})

test.each([
  ['Consul v1.8.7\nRevision abc', undefined],
  ['Consul v1.10.0+ent', undefined],
  ['Consul v2.1.0-dev', undefined],
  ['Consul v1.7.14', '--consul-from FILE: this is Consul 1.7.14 on net-1, and the driver needs 1.8 or newer'],
  ['Consul v0.9.3', '--consul-from FILE: this is Consul 0.9.3 on net-1, and the driver needs 1.8 or newer'],
  [
    'Consul vNext',
    '--consul-from FILE: this program is not Consul on net-1; "consul version" must print "Consul v…"',
  ],
  ['', '--consul-from FILE: this program is not Consul on net-1; "consul version" must print "Consul v…"'],
])('a Consul that says %j', (version, refusal) => {
  const check = () => checkAnswer('FILE', version, ' on net-1')
  if (refusal === undefined) expect(check).not.toThrow()
  else expect(check).toThrow(refusal)
})
