import { expect, test } from 'vitest'
import { together } from '../../../../scenarios/kit/together.ts'

const fails = async (words: string) => {
  throw new Error(words)
}

test('what all have come to is in their order', async () => {
  expect(await together([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2])
})

test('after a failure it waits for the others', async () => {
  let finish: () => void = () => undefined
  const slow = new Promise<void>((resolve) => {
    finish = resolve
  })
  const ended: string[] = []
  const all = together([fails('no address'), slow.then(() => void ended.push('slow'))])
  all.catch(() => ended.push('together'))
  await new Promise((resolve) => setImmediate(resolve))
  expect(ended).toEqual([])
  finish()
  await expect(all).rejects.toThrow(/^no address$/)
  expect(ended).toEqual(['slow', 'together'])
})

test('of several failures each is told', async () => {
  await expect(together([fails('no address'), fails('no name')])).rejects.toThrow(
    'no address\n\nand at the same time: no name',
  )
})
