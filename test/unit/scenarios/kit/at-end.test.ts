import { expect, test } from 'vitest'
import { atEnd } from '../../../../scenarios/kit/at-end.ts'
import { beforeTeardown, teardownBegins } from '../../../../scenarios/kit/before-teardown.ts'

/** What happens in a scope that ends with an undo; both may fail. */
async function scope(happened: string[], fails: { body?: string; undo?: string } = {}): Promise<void> {
  await using _undone = atEnd(async () => {
    happened.push('undo')
    if (fails.undo !== undefined) throw new Error(fails.undo)
  })
  happened.push('body')
  if (fails.body !== undefined) throw new Error(fails.body)
}

test('undoes at the end of the scope, before the lines that follow it', async () => {
  const happened: string[] = []
  await scope(happened)
  happened.push('after')
  expect(happened).toEqual(['body', 'undo', 'after'])
})

test('undoes after a failure too, and the failure is the error', async () => {
  const happened: string[] = []
  await expect(scope(happened, { body: 'a ping is lost' })).rejects.toThrow(/^a ping is lost$/)
  expect(happened).toEqual(['body', 'undo'])
})

test('an undo that fails alone is the error', async () => {
  await expect(scope([], { undo: 'Consul does not start' })).rejects.toThrow(/^Consul does not start$/)
})

test('when both fail, the error is that of the scope, and that of the undo stands below it', async () => {
  const failed = scope([], { body: 'a ping is lost', undo: 'Consul does not start' })
  await expect(failed).rejects.toThrow(/^a ping is lost\n\nand then, cleaning up: Consul does not start$/)
})

test('several undo in reverse order of their declaration, each also after a failure', async () => {
  const happened: string[] = []
  const undo = async (name: string) => {
    happened.push(name)
    throw new Error(`${name} fails`)
  }
  const body = async () => {
    await using _options = atEnd(() => undo('options'))
    await using _address = atEnd(() => undo('address'))
    throw new Error('a ping is lost')
  }
  await expect(body()).rejects.toThrow(
    /^a ping is lost\n\nand then, cleaning up: address fails\n\nand then, cleaning up: options fails$/,
  )
  expect(happened).toEqual(['address', 'options'])
})

test('the hook of the first teardown runs before the undo, which also follows a hook that fails', async () => {
  const happened: string[] = []
  beforeTeardown(async () => {
    happened.push('snapshot')
    throw new Error('no snapshot')
  })
  const failed = scope(happened, { body: 'a ping is lost', undo: 'Consul does not start' })
  await expect(failed).rejects.toThrow(
    /^a ping is lost\n\nand then, cleaning up: no snapshot\n\nand then, cleaning up: Consul does not start$/,
  )
  expect(happened).toEqual(['body', 'snapshot', 'undo'])
  await teardownBegins()
})
