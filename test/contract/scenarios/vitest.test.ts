/**
 * vitest as the runner's child, with a real process group.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, test } from 'vitest'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'
import { until } from '../../fixtures/until.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

const folder = temporaryFolder(afterAll)
beforeAll(() => {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const endless = `import { test } from 'vitest'\ntest('endless', () => new Promise(() => {}))\n`
  writeFileSync(join(folder, 'endless.scenario.ts'), endless)
  const runner = `import { runVitest } from ${JSON.stringify(join(root, 'scenarios/vitest.ts'))}
    await runVitest({ files: ['endless.scenario.ts'], environment: {}, pattern: undefined, bail: false })`
  writeFileSync(join(folder, 'runner.mts'), runner)
})

test('vitest and its workers end when the runner is killed', async () => {
  const env = { ...process.env, MULTIHOST_FOLDER: `${folder}/`, MULTIHOST_REPORT: folder, VITEST: '' }
  const args = ['--import', import.meta.resolve('tsx'), join(folder, 'runner.mts')]
  const runner = spawn(process.execPath, args, { cwd: root, env, stdio: 'ignore' })
  const leader = () =>
    processes().find(({ pid, parent, group }) => parent === runner.pid && pid === group)?.pid
  await until('vitest has a worker', () => membersOf(leader()).length > 1, 40_000)
  const group = leader()
  try {
    runner.kill('SIGKILL')
    await until('the group is empty', () => membersOf(group).length === 0)
  } finally {
    for (const pid of membersOf(group)) process.kill(pid, 'SIGKILL')
  }
})

/** Parent, process group and id of every process that has not ended; proc(5), `stat`. */
function processes(): { pid: number; parent: number; group: number }[] {
  return readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return state === 'Z' ? [] : [{ pid: Number(pid), parent: Number(parent), group: Number(group) }]
      } catch {
        return [] // it has ended
      }
    })
}

const membersOf = (leader: number | undefined) =>
  processes().flatMap(({ pid, group }) => (group === leader ? [pid] : []))
