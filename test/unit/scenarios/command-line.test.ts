/** Command lines of `npm run scenarios` that are refused before a lab comes up: one clear line, exit code 2. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { root } from '../../../scenarios/record/folder.ts'

test.each([
  [['--hosts', '1'], 'scenarios on vxlan need two hosts of role docker, and --hosts 1 --consul 1 has 1\n'],
  [['-t', ''], '-t has no value\n'],
  [[''], 'the first argument is empty\n  give a folder or a filter, or leave it out\n'],
  [
    ['--on', 'main', '--backend', 'vagrant'],
    '--on names a lab of nspawn hosts; machines of --backend vagrant are used as they are\n',
  ],
  [
    ['docs/examples/etcd', '--page', 'README.md'],
    `--page is for the scenarios of this project, not for those of ${root}docs/examples/etcd/\n`,
  ],
  [
    ['docs/examples/etcd', '--datapath', 'macvlan'],
    `--datapath is for our driver, and ${root}docs/examples/etcd/ has a subject.ts of its own\n`,
  ],
])('%j', async (args, stderr) => {
  const words = ['provision/start.mjs', 'scenarios/main.ts', ...args]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect({ said, code }).toEqual({ said: stderr, code: 2 })
})
