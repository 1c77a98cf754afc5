import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const brought = '/usr/local/lib/multihost/node'
const uname = `echo ${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`
const apt = (version: string) =>
  `[ "$LC_ALL" = C ] && word=Candidate || word=Installationskandidat; echo "  $word: ${version}"`

afterEach(() => vi.unstubAllEnvs())

/** The step, with an empty cache and an npm that fetches nothing. */
async function nodeStep() {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'npm'), '#!/bin/sh\necho no network >&2\nexit 1\n', { mode: 0o755 })
  vi.stubEnv('MULTIHOST_CACHE', join(folder, 'cache'))
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  vi.resetModules()
  return (await import('../../../../provision/steps/driver.ts')).node
}

test("the distribution's Node is taken where it is new enough, in any language of the host", async () => {
  vi.stubEnv('LC_ALL', '')
  const host = fakeHost({ 'apt-cache': apt('20.19.2+dfsg-1'), 'apt-get': '' })
  await (await nodeStep()).apply(contextOn(host.target))
  expect(host.calls().at(-1)).toMatch(/^apt-get install .* nodejs$/)
})

test('the Node that runs the steps is brought along where it runs on the host', async () => {
  const host = fakeHost({ 'apt-cache': apt('18.20.4'), uname })
  const step = await nodeStep()
  expect(await step.holds(contextOn(host.target))).toBe(false)
  await step.apply(contextOn(host.target))
  expect(await step.holds(contextOn(host.target))).toBe(true)
})

test('a Node that does not run there is replaced by the one of the packages', async () => {
  const host = fakeHost({ 'apt-cache': apt('18.20.4'), uname: 'echo mips' })
  const step = await nodeStep()
  await expect(step.apply(contextOn(host.target))).rejects.toThrow('net-1 (mips) has no Node 20')
  host.program('uname', process.arch === 'arm64' ? 'echo x86_64' : 'echo aarch64')
  await expect(step.apply(contextOn(host.target))).rejects.toThrow(
    /net-1 has no Node 20, and none can be fetched: .*no network/s,
  )
  expect(host.text(brought)).toBeUndefined()
})
