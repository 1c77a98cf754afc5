/**
 * The package for other repositories: an example outside of the tree runs from the tarball of `npm pack`.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { remains } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = join(root, 'docs/examples/own-project')
const name = 'tpackage'

const project = temporaryFolder(afterAll)
beforeAll(async () => {
  cpSync(example, project, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  const { stdout } = await execa('npm', ['pack', '--silent', '--pack-destination', project], { cwd: root })
  const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error']
  await execa('npm', ['install', ...flags, join(project, stdout.trim())], { cwd: project })
})

const scenarios = (...args: string[]) =>
  execa('npx', ['multihost-lab', 'scenarios', '.', '--lab', name, ...args], {
    ...{ cwd: project, reject: false, all: true, stdin: 'ignore' },
  })

test('the example of docs/scenarios.md has at most 40 lines, and passes from the tarball', async () => {
  const lines = readdirSync(example).flatMap((file) =>
    readFileSync(join(example, file), 'utf8').trim().split('\n'),
  )
  expect(lines.length).toBeLessThanOrEqual(40)
  const { exitCode, all } = await scenarios()
  expect(exitCode, all).toBe(0)
  expect(all).toContain('1 passed')
  expect(remains(name)).toEqual([])
  expect(readFileSync(join(project, 'report', name, 'index.html'), 'utf8')).toContain('The scenario passed')
})

test('a step that fails is one line with the host and the step, and exit code 2', async () => {
  const subject = join(project, 'subject.ts')
  writeFileSync(subject, readFileSync(subject, 'utf8').replace('systemd-run', 'no-such-command'))
  const { exitCode, all } = await scenarios()
  expect(exitCode, all).toBe(2)
  expect(all).toMatch(/web-\d: web server: .*no-such-command: command not found/)
  expect(remains(name)).toEqual([])
})
