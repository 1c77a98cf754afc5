import { describe, expect, test } from 'vitest'
import {
  boundToThemselves,
  compare,
  matchLine,
  updatedLine,
  withValuesOfRun,
} from '../../../../../scenarios/walkthrough/page/matcher.ts'

const noBindings = boundToThemselves([])
const matches = (page: string, run: string) => matchLine(page, run, noBindings) !== undefined
const agree = (page: string[], run: string[], anyOrder = false) =>
  'bindings' in compare(page, run, { anyOrder, bindings: noBindings })

describe('a line of the page', () => {
  test.each([
    ['an id', '4275f8b3a821   none   null', 'dd23763fce83   none   null'],
    ['a long id', 'a'.repeat(64), '0123456789abcdef'.repeat(4)],
    ['a MAC address', 'link/ether 02:42:ac:16:00:02', 'link/ether 02:42:ac:17:00:09'],
    ['an address', 'inet 172.21.0.2/16', 'inet 172.30.0.2/16'],
    ['a container’s name', 'modest_curie.multihost', 'happy_babbage2.multihost'],
    ['a version', ' Version: 26.1.5+dfsg1', ' Version: 28.5.2'],
    ['times', '20:53:36.500588 IP', '09:00:00.000001 IP'],
    ['durations', 'time=0.178 ms, time 1005ms', 'time=12.3 ms, time 0ms'],
    ['an interface’s index', '8: eth0@if4: <UP>', '15: eth0@if16: <UP>'],
    ['a port behind an address', '10.0.0.1.47107 > 10.0.0.2.4789:', '10.0.0.1.60999 > 10.0.0.2.4789:'],
    ['columns', 'a    b', 'a  b'],
    ['a zero in a hosts file', 'fe00::0\tip6-localnet', 'fe00::\tip6-localnet'],
    ['an IPv4-mapped address in a hosts file', '172.21.0.2\tad2865dbf772', '::ffff:172.21.0.2\tf92b77451ffc'],
    ['what is left out at the end', 'vxlan id 256 ...', 'vxlan id 256 local 1.2.3.4 proxy'],
    ['what is left out, and is not there', '    veth ...', '    veth'],
    ['what is left out in between', 'mtu 1450 ... master br0', 'mtu 1450 qdisc noqueue master br0'],
  ])('%s may differ', (_, page, run) => {
    expect(matches(page, run)).toBe(true)
  })

  test.each([
    ['a word', 'foobar overlay', 'foobar bridge'],
    ['a VNI', 'vxlan id 256', 'vxlan id 257'],
    ['an MTU before what is left out', 'mtu 1450 ... master br0', 'mtu 14500 qdisc noqueue master br0'],
    ['an MTU as large as a port', 'mtu 65536 x', 'mtu 65535 x'],
    ['a port that is well known', '10.0.0.1.47107 > 10.0.0.2.4789:', '10.0.0.1.47107 > 10.0.0.2.8472:'],
    ['Docker’s own bridge', 'docker_gwbridge bridge', 'docker_bridge bridge'],
    ['Docker’s own bridge for a container', 'modest_curie', 'docker_gwbridge'],
    ['a word of ip that looks like a name', 'valid_lft forever', 'preferred_lft forever'],
    ['a host’s name', 'net-1 running', 'net-2 running'],
    ['the loopback', '127.0.0.1 localhost', '127.0.0.2 localhost'],
    ['the MAC address of all', 'brd ff:ff:ff:ff:ff:ff', 'brd 02:42:ac:16:00:02'],
    ['a prefix length', '172.21.0.2/16', '172.21.0.2/24'],
    ['losses', '1 received, 0% packet loss', '1 received, 50% packet loss'],
    ['an id for a shorter one', '4275f8b3a821', 'a'.repeat(64)],
    ['further text', 'docker', 'docker service'],
    ['an absent column', '260dd201e9fb db backend', '260dd201e9fb db backend 6dd85784cc06'],
  ])('%s may not', (_, page, run) => {
    expect(matches(page, run)).toBe(false)
  })
})

describe('a value of the page', () => {
  test('is one value of the run', () => {
    expect(agree(['4275f8b3a821 a', '4275f8b3a821 b'], ['aaaaaaaaaaaa a', 'aaaaaaaaaaaa b'])).toBe(true)
    expect(agree(['4275f8b3a821 a', '4275f8b3a821 b'], ['aaaaaaaaaaaa a', 'bbbbbbbbbbbb b'])).toBe(false)
  })

  test('is not that of another value of the page', () => {
    expect(agree(['172.21.0.2 a', '172.21.0.3 b'], ['172.21.0.7 a', '172.21.0.7 b'])).toBe(false)
  })

  test('is the same id, long and short', () => {
    const [page, run] = ['4275f8b3a821'.padEnd(64, '0'), 'aaaaaaaaaaaa'.padEnd(64, '1')]
    expect(agree([page, '4275f8b3a821'], [run, 'aaaaaaaaaaaa'])).toBe(true)
    expect(agree([page, '4275f8b3a821'], [run, 'bbbbbbbbbbbb'])).toBe(false)
  })

  test('measured, may be another each time', () => {
    expect(agree(['time 0.1 ms', 'time 0.1 ms'], ['time 0.2 ms', 'time 0.3 ms'])).toBe(true)
  })
})

describe('an output', () => {
  test('must have all lines and no more', () => {
    expect(agree(['a', 'b'], ['a'])).toBe(false)
    expect(agree(['a'], ['a', 'b'])).toBe(false)
  })

  test('has its lines in the page’s order, unless any will do', () => {
    expect(agree(['a', 'b'], ['b', 'a'])).toBe(false)
    expect(agree(['a', 'b'], ['b', 'a'], true)).toBe(true)
    expect(agree(['a', 'a'], ['a', 'b'], true)).toBe(false)
  })

  test('in any order finds the lines that belong together', () => {
    const page = ['172.21.0.2 one', '172.21.0.2 one_a', '172.21.0.3 one_b']
    expect(agree(page, ['172.21.0.9 zed_b', '172.21.0.8 zed_a', '172.21.0.8 one'], true)).toBe(true)
    expect(agree(page, ['172.21.0.9 zed_b', '172.21.0.9 zed_a', '172.21.0.9 one'], true)).toBe(false)
  })

  test('may have any lines where the page has dots', () => {
    expect(agree(['...', 'b', '...'], ['a', 'b'])).toBe(true)
    expect(agree(['a', '...', 'd'], ['a', 'b', 'c', 'd'])).toBe(true)
    expect(agree(['a', '...', 'd'], ['a', 'b', 'c'])).toBe(false)
    expect(agree(['a', '...'], ['c', 'a', 'b'], true)).toBe(true)
  })

  test('that differs is told by the first line that nothing matched', () => {
    expect(compare(['a', 'b', 'c'], ['a', 'x', 'c'], { anyOrder: false, bindings: noBindings })).toEqual({
      index: 1,
      run: 'x',
    })
  })
})

test('a line is taken anew with what it leaves out', () => {
  expect(
    updatedLine('3: vxlan1@if3: mtu 1450 ... master br0 ...', '7: vxlan1@if9: mtu 1450 qdisc x master br0 y'),
  ).toBe('7: vxlan1@if9: mtu 1450 ... master br0 ...')
})

test('prose has the run’s values, wherever in a word or a sentence they stand', () => {
  const bindings = matchLine('172.21.0.2 modest_curie', '172.21.0.7 sad_bohr', noBindings)
  expect(withValuesOfRun('`modest_curie.multihost` has 172.21.0.2.', bindings ?? noBindings)).toBe(
    '`sad_bohr.multihost` has 172.21.0.7.',
  )
})
