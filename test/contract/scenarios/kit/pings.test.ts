import { readFileSync } from 'node:fs'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { poll } from '../../../../provision/process/until.ts'
import { commandLine } from '../../../../scenarios/kit/host.ts'
import { lostWhile } from '../../../../scenarios/kit/pings.ts'
import { isRoot, type Namespaces, namespaces } from '../../../fixtures/namespaces.ts'

type Word = Parameters<typeof commandLine>[1][number]
const address = '127.0.0.1'
const drop =
  'add table ip lossy; add chain ip lossy input { type filter hook input priority 0; }; add rule ip lossy input icmp type echo-request counter drop'

function nft(own: Namespaces, path: string, words: string): void {
  expect(own.run(path, 'nft', words)).toEqual({ code: 0, stdout: '', stderr: '' })
}

/** Runs commands in the network namespace, with the test's folder as /tmp. */
function pinger({ folder }: Namespaces, path: string) {
  const shell = ['unshare', '--mount', 'sh', '-c', `mount --bind ${folder} /tmp && exec sh -c "$0"`]
  const run = (pieces: TemplateStringsArray, words: Word[]) =>
    execa('nsenter', [`--net=${path}`, ...shell, commandLine(pieces, words)], { stdin: 'ignore' })
  return {
    succeed: async (pieces: TemplateStringsArray, ...words: Word[]) => (await run(pieces, words)).stdout,
    async waitUntilSucceeds(pieces: TemplateStringsArray, ...words: Word[]) {
      const look = () => run(pieces, words).catch(() => undefined)
      const { value } = await poll(look, 3000)
      if (value === undefined) throw new Error(`in vain: ${commandLine(pieces, words)}`)
      return value.stdout
    },
    /** Resolves when so many more replies have come. */
    async replies(more: number) {
      const count = () => readFileSync(`${folder}/ping`, 'utf8').split('ttl=').length
      const before = count()
      const look = async () => (count() >= before + more ? true : undefined)
      expect((await poll(look, 20_000)).value).toBe(true)
    },
    end: () => execa('kill', [readFileSync(`${folder}/ping.pid`, 'utf8').trim()], { reject: false }),
  }
}

test.runIf(isRoot)('nothing is lost where every reply comes', async () => {
  using own = namespaces()
  const from = pinger(own, own.add('one'))
  expect(await lostWhile(from, { address }, () => from.replies(10))).toBe(0)
})

test.runIf(isRoot)('what is missing between two replies is lost', async () => {
  using own = namespaces()
  const path = own.add('one')
  const from = pinger(own, path)
  const lost = await lostWhile(from, { address }, async () => {
    await from.replies(10)
    nft(own, path, drop)
    await from.waitUntilSucceeds`nft list table ip lossy | grep -q 'packets [1-9]'`
    nft(own, path, 'delete table ip lossy')
    await from.replies(10)
  })
  expect(lost).toBeGreaterThan(0)
})

test.runIf(isRoot)('replies that end and do not come back are no success', async () => {
  using own = namespaces()
  const path = own.add('one')
  const from = pinger(own, path)
  const cut = lostWhile(from, { address }, async () => {
    await from.replies(10)
    nft(own, path, drop)
    // ping has written every reply that it got before it sends what is dropped
    await from.waitUntilSucceeds`nft list table ip lossy | grep -q 'packets [1-9]'`
  })
  await expect(cut.finally(from.end)).rejects.toThrow('in vain')
})
