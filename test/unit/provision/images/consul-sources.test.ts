import { expect, test } from 'vitest'
import { consulSources, firstOf } from '../../../../provision/images/consul-sources.ts'

const sources = consulSources('http://mirror.example/debian')

test("Debian 11 on the mirror comes first, then Debian's archive, then HashiCorp", async () => {
  const tried: string[] = []
  const gone = ({ site }: { site: string }) => {
    tried.push(new URL(site).hostname)
    return Promise.reject(new Error('404'))
  }
  const failure = await firstOf(sources, gone).catch((error) => error)
  expect(tried).toEqual(['mirror.example', 'archive.debian.org', 'apt.releases.hashicorp.com'])
  expect(failure.message).toContain('Debian 11 on http://mirror.example/debian: 404')
  expect(failure.hint).toBe('name the program itself: --consul-from FILE')
})

test('the first source that has it is the last that is asked', async () => {
  const tried: string[] = []
  await firstOf(sources, async ({ name, suite }) => {
    tried.push(suite)
    if (!name.includes('archive')) throw new Error('gone')
  })
  expect(tried).toEqual(['bullseye', 'bullseye'])
})
