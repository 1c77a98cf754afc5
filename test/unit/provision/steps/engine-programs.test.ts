import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { enginePrograms } from '../../../../provision/steps/engine-programs.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const program = '/opt/multihost-engine/dockerd'

function machine(engine: string) {
  const host = fakeHost({ systemctl: '' }, { programs: { engine } })
  return { ...host, apply: () => enginePrograms.apply(contextOn(host.target)) }
}

test('the programs of the folder come to the host', async () => {
  const engine = temporaryFolder()
  writeFileSync(join(engine, 'dockerd'), '#!/bin/sh\necho "Docker version 29.1.0, build 1"\n')
  const host = machine(engine)
  await host.apply()
  expect(host.text(program)).toContain('29.1.0')
  expect(host.text(`${program}.tried`)).toBeUndefined()
})

test('a dockerd that does not answer as one is named, and nothing is changed', async () => {
  const engine = temporaryFolder()
  writeFileSync(join(engine, 'dockerd'), '#!/bin/sh\necho "no such library" >&2; exit 127\n')
  const host = machine(engine)
  await expect(host.apply()).rejects.toThrow(
    `--engine-from ${engine}: its dockerd is not Docker on net-1; "dockerd --version" must print "Docker version …": no such library`,
  )
  expect([host.text(program), host.text(`${program}.tried`), host.calls()]).toEqual([
    undefined,
    undefined,
    [''],
  ])
})
