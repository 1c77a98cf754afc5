/** The cgroup of a lab host, on this machine's own hierarchies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  cgroupFolders,
  makeCgroup,
  processesIn,
  removeCgroup,
  removeSharedCgroup,
} from '../../../../../provision/backends/nspawn/cgroup.ts'
import { isRoot, warnWhenNotRoot } from '../../../../fixtures/namespaces.ts'

warnWhenNotRoot()

test.skipIf(!isRoot)(
  'a group is read while groups below it come and go, as a container runtime’s do',
  async () => {
    const path = `multihost-lab/test-${process.pid}`
    makeCgroup(path)
    const [folder] = cgroupFolders(path) as [string]
    const churn = spawn('sh', [
      '-c',
      `while :; do mkdir ${folder}/a ${folder}/a/b; rmdir ${folder}/a/b ${folder}/a; done`,
    ])
    try {
      await once(churn, 'spawn')
      for (let reads = 0; reads < 2000; reads++) expect(processesIn(path)).toEqual([])
    } finally {
      churn.kill('SIGKILL')
      await once(churn, 'exit')
      await removeCgroup(path)
    }
  },
)

test.skipIf(!isRoot)('a group that is made below while its process ends is removed with it', async () => {
  const path = `multihost-lab/test-late-${process.pid}`
  makeCgroup(path)
  const [folder] = cgroupFolders(path) as [string]
  mkdirSync(`${folder}/busy`)
  const sleeper = spawn('sleep', ['60'])
  await once(sleeper, 'spawn')
  writeFileSync(`${folder}/busy/cgroup.procs`, `${sleeper.pid}`)
  const removal = removeCgroup(path)
  mkdirSync(`${folder}/late`)
  sleeper.kill('SIGKILL')
  await removal
  expect(existsSync(folder)).toBe(false)
})

test.skipIf(!isRoot)(
  'the end of the last lab in one folder of records leaves the groups of others',
  async () => {
    const path = `multihost-lab/test-other-${process.pid}`
    makeCgroup(`${path}/empty`)
    try {
      removeSharedCgroup()
      for (const folder of cgroupFolders(`${path}/empty`)) expect(existsSync(folder), folder).toBe(true)
    } finally {
      await removeCgroup(path)
    }
  },
)
