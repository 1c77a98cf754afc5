import { expect, test } from 'vitest'
import '../../../../scenarios/kit/suppressed.ts'

const failing = (words: string) => ({
  async [Symbol.asyncDispose]() {
    throw new Error(words)
  },
})

test('what failed first is the error, and what could not be cleaned up afterwards stands below it', async () => {
  const body = async () => {
    await using _network = failing('the network stays')
    await using _container = failing('the container stays')
    expect({ lost: 3 }).toEqual({ lost: 0 })
  }
  await expect(body()).rejects.toMatchObject({
    name: 'AssertionError',
    expected: { lost: 0 },
    message: expect.stringMatching(
      /^expected .*\n\nand then, cleaning up: the container stays\n\nand then, cleaning up: the network stays$/s,
    ),
  })
})

test('a cleaning up that fails alone is the error', async () => {
  const body = async () => {
    await using _network = failing('the network stays')
  }
  await expect(body()).rejects.toThrow(/^the network stays$/)
})
