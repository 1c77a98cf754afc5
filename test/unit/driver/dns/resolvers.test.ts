/** The machine's resolvers, out of resolv.conf. */
import { mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { machineResolvers, outsideResolvers, resolversIn } from '../../../../driver/dns/resolvers.ts'

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

test('another file of the same time is read, as where all files have one time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'multihost-resolvers-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const link = join(folder, 'resolv.conf')
  const lead = async (to: string) => {
    await symlink(to, `${link}.new`)
    await rename(`${link}.new`, link)
  }
  for (const [name, ip] of Object.entries({ first: '10.0.0.1', second: '10.0.0.2' })) {
    await writeFile(join(folder, name), `nameserver ${ip}\n`)
    await utimes(join(folder, name), 1, 1)
  }
  await lead('first')
  const looked = vi.spyOn(performance, 'now').mockReturnValue(0)
  onTestFinished(() => looked.mockRestore())
  const resolvers = machineResolvers(link, '127.0.0.1')
  expect(resolvers()).toEqual(['10.0.0.1'])
  await lead('second')
  looked.mockReturnValue(2000)
  expect(resolvers()).toEqual(['10.0.0.2'])
})

test('while the file is not there, the resolvers stay', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'multihost-resolvers-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'resolv.conf')
  await writeFile(path, 'nameserver 10.0.0.1\n')
  const looked = vi.spyOn(performance, 'now').mockReturnValue(0)
  onTestFinished(() => looked.mockRestore())
  const resolvers = machineResolvers(path, '127.0.0.1')
  expect(resolvers()).toEqual(['10.0.0.1'])
  await rm(path)
  looked.mockReturnValue(2000)
  expect(resolvers()).toEqual(['10.0.0.1'])
  await writeFile(path, 'nameserver 10.0.0.2\n')
  looked.mockReturnValue(4000)
  expect(resolvers()).toEqual(['10.0.0.2'])
})

test('the resolvers outside are those of both files, without systemd-resolved’s own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'multihost-resolvers-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [stub, upstream] = [join(folder, 'stub.conf'), join(folder, 'upstream.conf')]
  expect(await outsideResolvers([stub, upstream])).toBeUndefined()
  await writeFile(stub, 'nameserver 127.0.0.53\noptions edns0')
  expect(await outsideResolvers([stub, upstream])).toEqual([])
  await writeFile(upstream, 'nameserver 172.16.0.10\nnameserver FD00::53\nnameserver fe80::1%eth0\n')
  expect(await outsideResolvers([stub, upstream])).toEqual(['172.16.0.10', 'fd00::53'])
})
