/**
 * The templates as Packer reads them, where it is installed. Debian's is older than plugins.pkr.hcl, and is given the
 * other files alone; a newer one would fetch the plugins first, which no test does.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyPair } from '../../../../provision/backends/nspawn/keys.ts'

const templates = fileURLToPath(new URL('../../../../provision/packer', import.meta.url))
const project = fileURLToPath(new URL('../../../..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'multihost-packer-'))
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
  for (const file of ['box.img', 'box.ovf']) writeFileSync(join(work, file), '')
  writeFileSync(key, keyPair('packer').private)
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe.skipIf(!existsSync('/usr/bin/packer'))("Packer's templates", () => {
  test('are formatted', async () => {
    expect(await packer('fmt', '-check', templates)).toEqual({ said: '', exitCode: 0 })
  })

  test.each([
    ['qemu.lab', { qemu_image: join(work, 'box.img') }],
    ['virtualbox-ovf.lab', { virtualbox_ovf: join(work, 'box.ovf') }],
  ])('are valid for %s', async (only, own) => {
    const variables = Object.entries({ ...own, ssh_key: key }).flatMap(([name, value]) => [
      '-var',
      `${name}=${value}`,
    ])
    const { said, exitCode } = await packer('validate', `-only=${only}`, ...variables, work)
    expect(exitCode, said).toBe(0)
  })
})
