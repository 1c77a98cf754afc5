import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { terminal } from '../../../../scenarios/kit/terminal.ts'

test('a command that cannot be started is an error where its end is waited for, and nowhere else', async () => {
  const exit = Promise.reject(new Error('spawn script ENOENT'))
  const screen = terminal({ stdin: new PassThrough(), stdout: new PassThrough(), exit }, 'you', /\$ $/)
  expect(await screen.prompted()).toBe('')
  await expect(screen.ended()).rejects.toThrow('spawn script ENOENT')
})
