/** The unit, on a machine whose systemctl is a stub. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { DriverError } from '../../../../driver/core/errors.ts'
import { replaceFile, systemdUnit, textOf } from '../../../../driver/membership/unit.ts'

test('a file whose text goes is no empty file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-unit-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'docker')
  await replaceFile(path, 'MULTIHOST_OPTS=""\n')
  expect(await textOf(path)).toBe('MULTIHOST_OPTS=""\n')
  await replaceFile(path, '')
  await replaceFile(path, '')
  expect(readdirSync(folder)).toEqual([])
})

const notBooted = "System has not been booted with systemd as init system (PID 1). Can't operate."

test.each([
  ['there is no systemctl', undefined, /^systemd does not run here: .*; .*\/etc\/wsl\.conf/],
  ['it is not PID 1', `#!/bin/sh\necho "${notBooted}" >&2\nexit 1\n`, /^systemd does not run here: .*booted/],
])('one sentence where systemd does not run, since %s', async (_, stub, says) => {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-unit-'))
  const path = process.env.PATH
  onTestFinished(() => {
    process.env.PATH = path
    rmSync(folder, { recursive: true })
  })
  process.env.PATH = folder
  if (stub !== undefined) {
    writeFileSync(join(folder, 'systemctl'), stub)
    chmodSync(join(folder, 'systemctl'), 0o755)
  }
  const line = await systemdUnit.state().catch((error: DriverError) => error.line)
  expect(line).toMatch(says)
})
