import { expect, test } from 'vitest'
import { cli } from '../../../../driver/cli/cli.ts'

test.each([
  [
    'flie',
    "there is no command 'flie'; there are doctor, init, join, leave, status, check, host ls, host rm",
  ],
  ['host', "there is no command 'host'; there are doctor, "],
  ['host rm', 'multihost host rm takes one name, and none was given'],
  ['host rm net-1 net-2', "multihost host rm takes one name, not 'net-1 net-2'"],
  ['status all', "multihost status takes no further word, not 'all'"],
  ['status --all', "Unknown option '--all'; see 'multihost --help'"],
])('multihost %s: the error says what is allowed', async (line, message) => {
  const asked = cli(line.split(' '), () => undefined)
  await expect(asked).rejects.toMatchObject({ line: expect.stringContaining(message) })
})
