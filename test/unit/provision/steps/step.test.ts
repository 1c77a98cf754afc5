import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, expect, test } from 'vitest'
import { unitRuns } from '../../../../provision/steps/step.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

/** With a systemctl that says the states one after the other, and the last one from then on. */
async function holds(
  states: string[],
  answers: string,
  { enabled = true, withinMs = 20_000 } = {},
): Promise<boolean> {
  writeFileSync(join(folder, 'states'), `${states.join('\n')}\n`)
  const systemctl = [
    '#!/bin/sh',
    `case $* in *is-enabled*) exit ${enabled ? 0 : 1};; esac`,
    `head -n 1 ${folder}/states`,
    `[ "$(wc -l < ${folder}/states)" = 1 ] || sed -i 1d ${folder}/states`,
  ]
  writeFileSync(join(folder, 'systemctl'), `${systemctl.join('\n')}\n`)
  chmodSync(join(folder, 'systemctl'), 0o755)
  const env = { PATH: `${folder}:${process.env.PATH}` }
  return !(await execa('bash', ['-c', unitRuns('docker', answers, withinMs)], { env, reject: false })).failed
}

test('a unit runs when it is active, starts with the host, and answers', async () => {
  expect(await holds(['active'], 'true')).toBe(true)
  expect(await holds(['active'], 'true', { enabled: false })).toBe(false)
  expect(await holds(['inactive'], 'true')).toBe(false)
  expect(await holds(['failed'], 'true')).toBe(false)
})

test('one that is starting is waited for, until it answers or has failed', async () => {
  const second = `[ -e ${folder}/seen ] || { touch ${folder}/seen; false; }`
  expect(await holds(['activating', 'activating', 'active'], second)).toBe(true)
  expect(await holds(['activating', 'failed'], 'true')).toBe(false)
})

test('one that never comes so far does not run', async () => {
  expect(await holds(['activating'], 'true', { withinMs: 300 })).toBe(false)
  expect(await holds(['active'], 'false', { withinMs: 300 })).toBe(false)
})
