/** The machine's resolvers, out of resolv.conf. */
import { renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { machineResolvers, outsideResolvers, resolversIn } from '../../../../driver/dns/resolvers.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

test('three at most, each once, never ourselves', () => {
  const text = `# made by hand
search example.com
nameserver 192.168.33.11
nameserver\t10.0.0.1 # first
 nameserver 10.0.0.9
nameserver 10.0.0.1
nameserver fd00::53
nameserver FE80::1%eth0
nameserver nonsense
nameserver 10.0.0.9%eth0
nameserver fe80::1%
nameserver 10.0.0.3`
  expect(resolversIn(text, '192.168.33.11')).toEqual(['10.0.0.1', 'fd00::53', 'fe80::1%eth0'])
})

test('a file that is not there names no resolver', () => {
  expect(machineResolvers('/nowhere/resolv.conf', '127.0.0.1')()).toEqual([])
  expect(resolversIn('', '127.0.0.1')).toEqual([])
})

/** The resolvers of a file, a second later at each call. */
function resolversOf(path: string): () => readonly string[] {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const resolvers = machineResolvers(path, '127.0.0.1')
  return () => {
    vi.advanceTimersByTime(1000)
    return resolvers()
  }
}

test('another file of the same time is read, as where all files have one time', () => {
  const folder = temporaryFolder()
  const link = join(folder, 'resolv.conf')
  const lead = (to: string): void => {
    symlinkSync(to, `${link}.new`)
    renameSync(`${link}.new`, link)
  }
  for (const [name, ip] of Object.entries({ first: '10.0.0.1', second: '10.0.0.2' })) {
    writeFileSync(join(folder, name), `nameserver ${ip}\n`)
    utimesSync(join(folder, name), 1, 1)
  }
  const later = resolversOf(link)
  lead('first')
  expect(later()).toEqual(['10.0.0.1'])
  lead('second')
  expect(later()).toEqual(['10.0.0.2'])
})

test('the resolvers of before stay while a program writes the file anew, and where it is no file any more', async () => {
  const path = join(temporaryFolder(), 'resolv.conf')
  const later = resolversOf(path)
  writeFileSync(path, 'nameserver 10.0.0.1\n')
  expect(later()).toEqual(['10.0.0.1'])
  rmSync(path)
  expect(later()).toEqual(['10.0.0.1'])
  writeFileSync(path, '')
  expect(later()).toEqual(['10.0.0.1'])
  writeFileSync(path, 'nameserver 10.0.0.2\n')
  expect(later()).toEqual(['10.0.0.2'])
  rmSync(path)
  await mkdir(path)
  expect(later()).toEqual(['10.0.0.2'])
  await rm(path, { recursive: true })
  symlinkSync(path, path)
  expect(later()).toEqual(['10.0.0.2'])
  rmSync(path)
  writeFileSync(path, '# no name server\n')
  expect(later()).toEqual([])
})

test('the resolvers outside are those of both files, without systemd-resolved’s own', async () => {
  const folder = temporaryFolder()
  const [stub, upstream] = [join(folder, 'stub.conf'), join(folder, 'upstream.conf')]
  expect(await outsideResolvers([stub, upstream])).toBeUndefined()
  await writeFile(stub, 'nameserver 127.0.0.53\noptions edns0')
  expect(await outsideResolvers([stub, upstream])).toEqual([])
  await writeFile(upstream, 'nameserver 172.16.0.10\nnameserver FD00::53\nnameserver fe80::1%eth0\n')
  expect(await outsideResolvers([stub, upstream])).toEqual(['172.16.0.10', 'fd00::53'])
})
