/** The machine's resolvers, out of resolv.conf. */
import { expect, test } from 'vitest'
import { machineResolvers, resolversIn } from '../../../../driver/dns/resolvers.ts'

test('three at most, each once, never ourselves', () => {
  const text = `# made by hand
search example.com
nameserver 192.168.33.11
nameserver\t10.0.0.1 # first
 nameserver 10.0.0.9
nameserver 10.0.0.1
nameserver fd00::53
nameserver fe80::1%eth0
nameserver nonsense
nameserver 10.0.0.2
nameserver 10.0.0.3`
  expect(resolversIn(text, '192.168.33.11')).toEqual(['10.0.0.1', 'fd00::53', '10.0.0.2'])
})

test('a file that is not there names no resolver', () => {
  expect(machineResolvers('/nowhere/resolv.conf', '127.0.0.1')()).toEqual([])
  expect(resolversIn('', '127.0.0.1')).toEqual([])
})
