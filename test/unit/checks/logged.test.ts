import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loggedIn } from '../../checks/logged.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

test('names the warnings and errors of each log that a failed scenario has left', () => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'a-host-dies'))
  const write = (file: string, ...lines: string[]): void =>
    writeFileSync(join(folder, 'a-host-dies', file), lines.join('\n'))
  write('net-1-driver-log.txt', 'node[1]: {"level":"info","msg":"starts"}', 'node[1]: {"level":"warn"}')
  write('net-1-docker-log.txt', 'dockerd: level=info msg=a', 'dockerd: level=error msg="no plugin"')
  write('consul-server-Consul-log.txt', '[INFO] a', '[ERROR] b')
  write('net-1-containers.txt', 'level=error')
  expect(loggedIn(folder)).toEqual([
    'a-host-dies… consul-server-Consul-log.txt: [ERROR] b',
    'a-host-dies… net-1-docker-log.txt: dockerd: level=error msg="no plugin"',
    'a-host-dies… net-1-driver-log.txt: node[1]: {"level":"warn"}',
  ])
  expect(loggedIn(join(folder, 'none'))).toEqual([])
})
