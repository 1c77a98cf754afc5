/**
 * The templates as Debian's Packer reads them, where it is installed. It cannot parse plugins.pkr.hcl and
 * gets the other files alone. A newer Packer would download the plugins first, which no test does.
 */
import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import ssh2 from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyPair } from '../../../../provision/backends/nspawn/keys.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const templates = fileURLToPath(new URL('../../../../provision/packer', import.meta.url))
const project = fileURLToPath(new URL('../../../..', import.meta.url))
const work = temporaryFolder(afterAll)
const key = join(work, 'key')

async function packer(...args: string[]) {
  const env = { CHECKPOINT_DISABLE: '1', PACKER_CACHE_DIR: join(work, 'cache') }
  const { all, exitCode } = await execa('/usr/bin/packer', args, {
    cwd: project,
    reject: false,
    all: true,
    env,
  })
  return { said: all, exitCode }
}

beforeAll(() => {
  for (const file of ['lab.pkr.hcl', 'variables.pkr.hcl'])
    copyFileSync(join(templates, file), join(work, file))
  writeFileSync(join(work, 'box.img'), '')
  writeFileSync(key, keyPair('packer', ssh2.utils).private)
})

describe.skipIf(!existsSync('/usr/bin/packer'))("Packer's templates", () => {
  test('are formatted', async () => {
    expect(await packer('fmt', '-check', templates)).toEqual({ said: '', exitCode: 0 })
  })

  test('are valid', async () => {
    const variables = ['-var', `qemu_image=${join(work, 'box.img')}`, '-var', `ssh_key=${key}`]
    const { said, exitCode } = await packer('validate', ...variables, work)
    expect(exitCode, said).toBe(0)
  })
})
