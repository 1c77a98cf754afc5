import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { vagrantBackend } from '../../../../../provision/backends/vagrant/backend.ts'
import { generateLab } from '../../../../../provision/lab/definition.ts'
import { temporaryFolder } from '../../../../fixtures/temporary-folder.ts'

afterEach(() => void vi.unstubAllEnvs())

/** Words of Vagrant's, locales/en.yml: machine_action_locked. */
const locked = `An action 'up' was attempted on the machine 'net-1',
but another process is already executing an action on the machine.
Vagrant locks each machine for access by only one process at a time.
Please wait until the other Vagrant process finishes modifying this
machine, then try again.

If you believe this message is in error, please check the process
listing for any "ruby" or "vagrant" processes and kill them. Then
try again.`

/** Brings up machines that do not exist, by a vagrant whose `up` fails with these words; then abandons them. */
async function abandoned(words: string): Promise<{ destroys: boolean }> {
  const folder = temporaryFolder()
  const script = `#!/bin/sh
case "$*" in
  *status*) echo 1,net-1,state,not_created ;;
  *destroy*) : > ${folder}/destroyed ;;
  *) cat ${folder}/words >&2; exit 1 ;;
esac
`
  writeFileSync(join(folder, 'words'), words)
  writeFileSync(join(folder, 'vagrant'), script)
  chmodSync(join(folder, 'vagrant'), 0o755)
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  vi.stubEnv('VAGRANT_DOTFILE_PATH', join(folder, 'machines'))
  const options = {
    name: 'vagrant',
    explicit: false,
    engines: {},
    secure: false,
    inventory: '',
    programs: {},
  }
  const backend = vagrantBackend({ ...options, lab: generateLab(2) })
  const [work] = backend.prepare()
  if (work === undefined || !('run' in work)) throw new Error('there is no work')
  await expect(work.run(() => undefined)).rejects.toThrow('vagrant up')
  await backend.abandon()
  return { destroys: existsSync(join(folder, 'destroyed')) }
}

test('machines that another process is making are not destroyed', async () => {
  expect(await abandoned(locked)).toEqual({ destroys: false })
})

test('machines that are half made are destroyed', async () => {
  expect(await abandoned('The box could not be found.')).toEqual({ destroys: true })
})
