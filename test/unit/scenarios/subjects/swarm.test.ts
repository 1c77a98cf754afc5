import { expect, test } from 'vitest'
import type { Connection } from '../../../../provision/ssh/connection.ts'
import type { ConnectedHost } from '../../../../scenarios/kit/connected.ts'
import { labHost } from '../../../../scenarios/kit/host.ts'
import { swarm } from '../../../../scenarios/subjects/swarm.ts'

test('a lab that stays gets our driver and its docker command back, and is no swarm', async () => {
  const commands: string[] = []
  const machine = (name: string): ConnectedHost => {
    const exec: Connection['exec'] = async (command) => {
      commands.push(`${name}: ${command}`)
      return { code: 0, stdout: '', stderr: '' }
    }
    const connection = { exec } as Connection
    const host = labHost(
      name,
      '192.168.33.11',
      async () => connection,
      () => undefined,
    )
    return { host, connection, [Symbol.asyncDispose]: async () => undefined }
  }
  const machines = [machine('net-1'), machine('net-2')] as const
  await swarm.enter?.(machines)
  const entered = commands.splice(0)
  expect(entered.filter((each) => each.includes('mv /usr/local/bin/docker'))).toHaveLength(2)
  await swarm.leave?.(machines)
  expect(commands.slice(0, 2)).toEqual([
    'net-2: /usr/bin/docker swarm leave --force',
    'net-1: /usr/bin/docker swarm leave --force',
  ])
  expect(commands.slice(2)).toEqual(
    ['net-1', 'net-2'].map(
      (name) =>
        `${name}: [ ! -e /usr/local/lib/multihost-docker-wrapper ] || mv /usr/local/lib/multihost-docker-wrapper /usr/local/bin/docker; systemctl -q enable --now multihost`,
    ),
  )
})
