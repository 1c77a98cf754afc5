/** The machine's resolvers, out of resolv.conf. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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

test('the resolvers outside are those of both files, without systemd-resolved’s own', async () => {
  const folder = temporaryFolder()
  const [stub, upstream] = [join(folder, 'stub.conf'), join(folder, 'upstream.conf')]
  expect(await outsideResolvers([stub, upstream])).toBeUndefined()
  await writeFile(stub, 'nameserver 127.0.0.53\noptions edns0')
  expect(await outsideResolvers([stub, upstream])).toEqual([])
  await writeFile(upstream, 'nameserver 172.16.0.10\nnameserver FD00::53\nnameserver fe80::1%eth0\n')
  expect(await outsideResolvers([stub, upstream])).toEqual(['172.16.0.10', 'fd00::53'])
})
