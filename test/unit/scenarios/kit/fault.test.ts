import { expect, test } from 'vitest'
import { healAll, injectFault } from '../../../../scenarios/kit/fault.ts'

const done = async (): Promise<void> => undefined
const steps = { inject: done, inForce: done, revert: done, healed: done }
const failing = (words: string) => async () => {
  throw new Error(words)
}

test('a fault whose revert has failed is reverted again at the end of its scope', async () => {
  const reverts: string[] = []
  const body = async () => {
    await using fault = await injectFault({
      ...steps,
      async revert() {
        reverts.push('revert')
        if (reverts.length === 1) throw new Error('the host does not answer')
      },
    })
    await expect(fault.heal()).rejects.toThrow('the host does not answer')
  }
  await body()
  expect(reverts).toHaveLength(2)
})

test('a fault that is over is not reverted again', async () => {
  let reverts = 0
  const fault = await injectFault({
    ...steps,
    async revert() {
      reverts += 1
    },
  })
  await fault.heal()
  await fault.heal()
  expect(reverts).toBe(1)
})

test('a fault that is not in force and cannot be reverted has both errors, the first one first', async () => {
  const fault = { ...steps, inForce: failing('no packet is lost'), revert: failing('tc is missing') }
  await expect(injectFault(fault)).rejects.toThrow(
    /^no packet is lost\n\nand then, cleaning up: tc is missing$/,
  )
})

test('a fault that cannot be healed leaves no other one in force', async () => {
  const healed: string[] = []
  const fault = (name: string) => ({
    async [Symbol.asyncDispose]() {
      if (name.startsWith('bad')) throw new Error(name)
      healed.push(name)
    },
  })
  const all = ['first', 'bad one', 'second', 'bad two', 'third'].map(fault)
  await expect(healAll(all)).rejects.toMatchObject({
    name: 'AggregateError',
    errors: [{ message: 'bad two' }, { message: 'bad one' }],
    message: 'bad two\n\nand then: bad one',
  })
  expect(healed).toEqual(['third', 'second', 'first'])
})
