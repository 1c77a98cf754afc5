import { expect, test } from 'vitest'
import { LabError } from '../../../../provision/process/errors.ts'
import type { Connection, Result } from '../../../../provision/ssh/connection.ts'
import { type Host, labHost } from '../../../../scenarios/kit/host.ts'

const id = 'ab'.repeat(32)
const said = 'docker: Error response from daemon: IpamDriver.RequestAddress: 10.40.0.77 is leased by net-1.'

/** A host that answers a command by its second word; `commands` are those that it was given. */
function answering(answers: Record<string, Partial<Result>>): { host: Host; commands: string[] } {
  const commands: string[] = []
  const exec: Connection['exec'] = async (command) => {
    commands.push(command)
    const [, word = ''] = command.split(' ')
    return { code: 0, stdout: '', stderr: '', ...answers[word] }
  }
  const connection = async () => ({ exec }) as Connection
  return { host: labHost('net-2', '192.168.33.12', connection, () => undefined), commands }
}

test('a container that was made and cannot be started is removed, and its own failure is what is told', async () => {
  const { host, commands } = answering({ run: { code: 125, stdout: `${id}\n`, stderr: said } })
  await expect(host.run({ name: 'late' })).rejects.toThrow(said)
  expect(commands.slice(1)).toEqual([`docker rm -f ${id}`])
})

test('a container that could not be made leaves nothing to remove: its name may be another’s', async () => {
  const { host, commands } = answering({ run: { code: 125, stderr: 'the name "/late" is already in use' } })
  await expect(host.run({ name: 'late' })).rejects.toThrow('already in use')
  expect(commands).toHaveLength(1)
})

test('a container that cannot be asked is removed; what fails then stands below', async () => {
  const answers = {
    run: { stdout: `${id}\n` },
    inspect: { code: 1, stderr: 'gone' },
    rm: { code: 1, stderr: 'stuck' },
  }
  const { host } = answering(answers)
  await expect(host.run({ name: 'late' })).rejects.toThrow(/inspect.*gone.*and then, cleaning up:.*stuck/s)
})

test('a command that was cut off, or that a lost host never ran, is not one that has failed', async () => {
  const connection = () => Promise.reject(new LabError('net-2: docker run …: still running after 60000 ms'))
  const host = labHost('net-2', '192.168.33.12', connection, () => undefined)
  await expect(host.fail`docker run --network full debian:13`).rejects.toThrow(/has no exit code.*60000 ms/s)
  expect((await host.run`true`).code).toBe(255)
})
