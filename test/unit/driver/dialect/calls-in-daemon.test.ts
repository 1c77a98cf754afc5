/** What the daemon answers the docker wrapper on its control socket: a form with the words, a script back. */
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { textOf } from '../../../../driver/unix-http.ts'
import { type CommandHost, net1, net2, useTwoHosts } from './cluster.ts'

useTwoHosts()

function script(on: CommandHost, command: string): Promise<string> {
  const form = new URLSearchParams(command.split(' ').map((word): [string, string] => ['w', word]))
  return new Promise((resolve, reject) => {
    const sent = request({
      ...{ socketPath: on.host.controlSocket, path: '/docker', method: 'POST' },
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    sent.on('response', (answer) => resolve(textOf(answer))).on('error', reject)
    sent.end(form.toString())
  })
}

test('a network is made on one host, listed and used on the other', async () => {
  const made = await script(net1, 'network create -d overlay foobar')
  const id = /'([0-9a-f]{64})'/.exec(made)?.[1] ?? ''
  expect(made.endsWith('\nexit 0')).toBe(true)
  await net2.calls.waitForNetwork('foobar')
  expect(await script(net2, 'network ls -q --no-trunc')).toBe(`printf '%s\\n' '${id}'\nexit 0`)
  expect(await script(net2, 'run --publish-service=bar.foobar debian:13')).toBe(
    `exec "$docker" 'run' '--network' 'foobar' '--ip' '172.21.0.2' 'debian:13'`,
  )
  expect(await script(net2, 'service ls -q')).toMatch(/^printf '%s\\n' '[0-9a-f]{12}'\nexit 0$/)
  expect(await script(net1, 'service info nope')).toMatch(
    /^printf .*multihost: there is no service .*nope.* >&2\nexit 1$/,
  )
})

test('words that docker knows itself are docker’s', async () => {
  expect(await script(net1, 'ps -a')).toBe(`exec "$docker" 'ps' '-a'`)
})
