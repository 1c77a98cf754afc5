/**
 * `npm run scenarios -- --driver`: another driver beside ours, the exit code, and a plugin that does not
 * start.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { remains, start } from './machine.ts'

const name = 'tdriver'
const page = readFileSync(new URL('../../docs/own-driver.md', import.meta.url), 'utf8')

const folder = temporaryFolder(afterAll)

async function scenarios(...args: string[]) {
  const { child, ended, soFar } = start('scenarios/main.ts', '--lab', name, ...args)
  child.stdin.end()
  const { code } = await ended
  expect(remains(name)).toEqual([])
  return { code, output: soFar() }
}

/** Scenario → what came of it on each driver, from the table that is printed at the end. */
function verdicts(text: string): Record<string, string[]> {
  const rows = [...text.matchAll(/^\| (.+?) +\| ((?:passed|FAILED|not for it|did not run).*) \|$/gm)]
  const words = (cells: string) => cells.split('|').map((cell) => cell.replace(/ [\d.]+ s/, '').trim())
  return Object.fromEntries(rows.map(([, scenario = '', cells = '']) => [scenario, words(cells)]))
}

function plugin(file: string, text: string): string {
  writeFileSync(join(folder, file), `#!/bin/sh\n${text}\n`)
  chmodSync(join(folder, file), 0o755)
  return join(folder, file)
}

test('the minimal driver passes and fails what docs/own-driver.md says, and the exit code is 1', {
  timeout: 600_000,
}, async () => {
  const { code, output } = await scenarios(
    '--driver',
    'docs/examples/minimal-driver.mjs',
    'conformance/traffic',
    '-t',
    'ping each other|reaches the outside',
  )
  expect(code, output).toBe(1)
  const seen = verdicts(output)
  const said = verdicts(page)
  expect(Object.keys(seen)).toHaveLength(3)
  expect(seen).toEqual(Object.fromEntries(Object.keys(seen).map((scenario) => [scenario, said[scenario]])))
  expect(Object.values(seen)).toContainEqual(['passed', 'passed'])
  expect(Object.values(seen)).toContainEqual(['passed', 'FAILED'])
})

test('Swarm stands beside ours, and the exit code is ours', { timeout: 600_000 }, async () => {
  const { code, output } = await scenarios('--driver', 'swarm', 'conformance/network', '-t', 'network')
  expect(code, output).toBe(0)
  expect(output).toMatch(/^\| scenario +\| vxlan +\| swarm +\|$/m)
  const seen = Object.values(verdicts(output))
  expect(seen).toHaveLength(4)
  expect(seen.map(([ours]) => ours)).toEqual(['passed', 'passed', 'passed', 'passed'])
  expect(seen.map(([, theirs]) => theirs)).not.toContain('did not run')
})

test('a plugin that does not listen is reported with its log before any scenario runs', async () => {
  const { code, output } = await scenarios('--driver', plugin('mute', 'echo no such option >&2; exit 3'))
  expect(code, output).toBe(2)
  expect(output).toContain('mute does not answer on /run/docker/plugins/mute.sock of net-1')
  expect(output).toContain('no such option')
  expect(output).not.toContain('RUN')
})
