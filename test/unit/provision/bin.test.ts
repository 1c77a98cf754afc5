import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = temporaryFolder(afterAll)

/** Vagrant's folder, as bin.mjs passes it on in a checkout or a package at `path`. */
function vagrantFolder(path: string, env: NodeJS.ProcessEnv = {}): string {
  const provision = join(folder, path, 'provision')
  mkdirSync(provision, { recursive: true })
  copyFileSync(join(root, 'provision/bin.mjs'), join(provision, 'bin.mjs'))
  const shown = 'process.stdout.write(process.env.VAGRANT_DOTFILE_PATH ?? "unset")'
  writeFileSync(join(provision, 'start.mjs'), shown)
  return execFileSync(process.execPath, [join(provision, 'bin.mjs'), 'lab'], { env, encoding: 'utf8' })
}

test("Vagrant's folder is not in the package, which npm replaces with all that is in it", () => {
  expect(vagrantFolder('mine/node_modules/multihost')).toBe(join(folder, 'mine/.vagrant-lab'))
  const inStore = 'mine/node_modules/.pnpm/multihost@0.1.0/node_modules/multihost'
  expect(vagrantFolder(inStore)).toBe(join(folder, 'mine/.vagrant-lab'))
  expect(vagrantFolder(inStore, { VAGRANT_DOTFILE_PATH: '/own' })).toBe('/own')
  expect(vagrantFolder('multihost')).toBe('unset')
})
