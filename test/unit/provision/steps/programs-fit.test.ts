import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { programsFit } from '../../../../provision/steps/programs-fit.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

/** An engine's folder and a Consul, with the first bytes of a program for arm64 (elf(5), e_machine). */
function arm64Programs() {
  const header = Buffer.alloc(64)
  header.write('\x7fELF', 'latin1')
  header.writeUInt16LE(183, 18)
  const engine = join(temporaryFolder(), 'engine')
  const consul = join(engine, 'consul')
  mkdirSync(engine)
  for (const path of [consul, join(engine, 'dockerd')]) writeFileSync(path, header)
  return { engine, consul }
}

test.each([
  ['net-1', '--engine-from'],
  ['consul-server', '--consul-from'],
])('programs for the processor of %s fit, and others are refused', async (name, flag) => {
  const host = fakeHost({ uname: 'echo aarch64' }, { name, programs: arm64Programs() })
  expect(await programsFit.holds(contextOn(host.target))).toBe(true)
  host.program('uname', 'echo x86_64')
  await expect(programsFit.holds(contextOn(host.target))).rejects.toThrow(
    new RegExp(`^${flag} .*: a program for arm64, and ${name} is x64$`),
  )
})

test('a host that gets no such program is not asked', async () => {
  const { consul } = arm64Programs()
  const host = fakeHost({ uname: 'echo x86_64' }, { name: 'net-1', programs: { consul } })
  expect(await programsFit.holds(contextOn(host.target))).toBe(true)
  expect(host.calls()).toEqual([''])
})
