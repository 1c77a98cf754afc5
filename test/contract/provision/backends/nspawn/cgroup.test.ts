/** The cgroup of a lab host, on this machine's own hierarchies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import {
  cgroupFolders,
  makeCgroup,
  processesIn,
  removeCgroup,
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
