import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

test('the npm package has the Vagrantfile and the files that it loads', () => {
  const args = ['pack', '--dry-run', '--json']
  const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' })
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  const loaded = ['lab', 'problem', 'provisioning', 'record'].map(
    (each) => `provision/backends/vagrant/${each}.rb`,
  )
  expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['Vagrantfile', ...loaded]))
})
