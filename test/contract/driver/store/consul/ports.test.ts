import { expect, test } from 'vitest'
import { freePort } from '../../../../fixtures/consul.ts'

test('no port is given out twice: a server binds its own later', async () => {
  const ports: number[] = []
  for (let n = 0; n < 400; n++) ports.push(await freePort())
  expect(new Set(ports).size).toBe(ports.length)
})
