/**
 * A Consul that has just started has a leader before it has replayed its log. Until then it answers from an
 * old state, except to requests with `?consistent`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createClient } from '../../../../../driver/store/consul/client.ts'
import { parseStoreUrl } from '../../../../../driver/store/consul/url.ts'
import { startConsul } from '../../../../fixtures/consul.ts'
import { until } from '../../../../fixtures/until.ts'

test('a session that there was before a start is never missing after it', { timeout: 60_000 }, async () => {
  await using consul = await startConsul()
  const client = createClient({ address: parseStoreUrl(consul.url), timeoutMs: 4000 })
  await writeMuch(consul.api)
  const { id: session } = await client.createSession('net-1', 60_000)
  const answers: boolean[] = []
  let stop = false
  const asking = (async () => {
    while (!stop) {
      const answer = await client.hasSession(session).catch(() => undefined)
      if (answer !== undefined) answers.push(answer)
      await delay(5)
    }
  })()
  for (let start = 0; start < 3; start += 1) {
    await consul.restart()
    const before = answers.length
    await until('Consul has answered after its start', () => answers.length > before)
  }
  stop = true
  await asking
  expect(await client.hasSession(session)).toBe(true)
  client.close()
  expect(answers).not.toContain(false)
})

/** A long log: a thousand transactions of 64 keys, the most that one takes. */
async function writeMuch(api: string): Promise<void> {
  const Value = Buffer.from('x'.repeat(100)).toString('base64')
  const steps = Array.from({ length: 64 }, (_, key) => ({ KV: { Verb: 'set', Key: `m/${key}`, Value } }))
  for (let turn = 0; turn < 1000; turn += 1) {
    const answer = await fetch(`${api}/txn`, { method: 'PUT', body: JSON.stringify(steps) })
    expect(answer.ok).toBe(true)
    await answer.text()
  }
}
