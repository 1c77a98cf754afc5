import { describe, expect, test } from 'vitest'
import { chooseVtep, type KnownVtep } from '../../../../../driver/core/datapath/vtep-choice.ts'
import { hostAddresses } from '../../../../fixtures/host-addresses.ts'

const main = 'eth1 192.168.33.11/24'
const vip = 'eth1 192.168.33.100/32'
const six = 'eth1 fd00:33::11/64'
const docker = 'docker0 192.168.7.1/24'
const running: KnownVtep = { device: 'eth1', address: '192.168.33.11' }
const recorded: KnownVtep = { address: '192.168.33.11' }

function chosen(bind: string, lines: string[], known?: KnownVtep): string {
  const choice = chooseVtep(hostAddresses(...lines), bind, known)
  if (choice.is === 'found') return `${choice.address.device} ${choice.address.address}`
  if (choice.next === undefined) return 'missing, next none'
  const { address: next, afterMs } = choice.next
  return `missing, next ${next.device} ${next.address} after ${afterMs / 1000} s`
}

describe('at first', () => {
  const all = ['lo 10.255.0.11/32', 'eth0 10.0.2.15/24', main, six, docker]
  test.each([
    ['eth1', 'eth1 192.168.33.11'],
    ['192.168.33.0/24', 'eth1 192.168.33.11'],
    ['192.168.33.11', 'eth1 192.168.33.11'],
    ['fd00:33::/64', 'eth1 fd00:33::11'],
    ['docker0', 'docker0 192.168.7.1'],
  ])('%s is found by name, address or CIDR', (bind, expected) => {
    expect(chosen(bind, all)).toBe(expected)
  })

  test.each(['eth7', '10.9.0.0/16', 'fe80::1', '192.168.33.0/99', '', 'lo', '192.168.7.0/24'])(
    '%j is refused with what there is',
    (bind) => {
      expect(() => chosen(bind, all)).toThrow(
        expect.objectContaining({
          code: 'invalid',
          message: `no interface is named ${bind} or has an address in it`,
          hint: '--bind-interface takes an interface, an address or a CIDR; this host has eth0 10.0.2.15/24, eth1 192.168.33.11/24, eth1 fd00:33::11/64',
        }),
      )
    },
  )

  test('an address of lo is refused by name', () => {
    expect(() => chosen('10.255.0.11', all)).toThrow(
      expect.objectContaining({
        message: '10.255.0.11 leads to 10.255.0.11 on lo, which carries no VTEP',
        hint: expect.stringContaining('goes on a dummy interface with the MTU of the uplinks'),
      }),
    )
    expect(chosen('10.255.0.11', ['dummy0 10.255.0.11/32', main])).toBe('dummy0 10.255.0.11')
  })

  test('an address that is there to stay is taken before one that is not', () => {
    expect(chosen('eth1', [vip, main])).toBe('eth1 192.168.33.11')
    expect(chosen('eth1', [vip])).toBe('eth1 192.168.33.100')
    expect(chosen('eth1', [vip, six]), 'of the first one’s family').toBe('eth1 192.168.33.100')
    expect(chosen('eth1', ['eth1 fd00::7/64 passing', six])).toBe('eth1 fd00:33::11')
    expect(chosen('eth1', ['eth1 10.128.0.7/32 leased', vip])).toBe('eth1 10.128.0.7')
    expect(chosen('192.168.0.0/16', [docker, main])).toBe('eth1 192.168.33.11')
  })
})

describe.each([
  ['while the driver runs', running],
  ['at its next start', recorded],
])('a known VTEP, %s,', (_when, known) => {
  test('stays beside other addresses', () => {
    expect(chosen('eth1', ['eth1 10.99.0.1/24', main], known)).toBe('eth1 192.168.33.11')
    expect(chosen('192.168.0.0/16', [docker, main], known)).toBe('eth1 192.168.33.11')
  })

  test('has one in an address of its interface and family that is there to stay', () => {
    const beside = [six, vip, 'eth1 192.168.33.99/24']
    expect(chosen('eth1', beside, known)).toBe('missing, next eth1 192.168.33.99 after 10 s')
    const leased = ['eth1 10.128.0.7/32 leased']
    expect(chosen('eth1', leased, known)).toBe('missing, next eth1 10.128.0.7 after 10 s')
  })

  test('has none in a bridge of Docker’s', () => {
    const bridges = ['docker_gwbridge 192.168.6.1/24', 'br-0123456789ab 192.168.8.1/24']
    expect(chosen('192.168.0.0/16', [docker, ...bridges, vip, 'eth1 192.168.33.101/32'], known)).toBe(
      'missing, next none',
    )
  })

  test('that has no address beside it is an interface that is not there', () => {
    expect(() => chosen('eth1', ['eth0 10.0.2.15/24'], known)).toThrow('no interface is named eth1')
  })
})

describe('while the driver runs', () => {
  test('an address of another family, or that may go, is no substitute', () => {
    expect(chosen('eth1', [six], running)).toBe('missing, next none')
    expect(chosen('eth1', [vip, 'eth1 192.168.33.12/24 passing'], running)).toBe('missing, next none')
    expect(chosen('eth1', [vip], running), 'keepalived without DHCP').toBe('missing, next none')
  })

  test('the only address of a tunnel interface follows its only one', () => {
    const wg0: KnownVtep = { device: 'wg0', address: '10.8.0.2', isWhole: true }
    expect(chosen('wg0', ['wg0 10.8.0.3/32', six], wg0)).toBe('missing, next wg0 10.8.0.3 after 10 s')
    expect(chosen('wg0', ['wg0 10.8.0.3/32', 'wg0 10.8.0.4/32'], wg0)).toBe('missing, next none')
    const wg6: KnownVtep = { device: 'wg0', address: 'fd08::2', isWhole: true }
    expect(chosen('wg0', ['wg0 fd08::3/128'], wg6)).toBe('missing, next wg0 fd08::3 after 10 s')
  })

  test('another interface of a CIDR gives one when that of the VTEP has no address at all', () => {
    const bridge = 'br-lan 192.168.33.57/24'
    for (const left of [vip, six])
      expect(chosen('192.168.0.0/16', [left, bridge], running)).toBe('missing, next none')
    expect(chosen('192.168.0.0/16', [bridge], running)).toBe('missing, next br-lan 192.168.33.57 after 30 s')
  })

  test('a VTEP that was replaced is taken again when its address is back', () => {
    const replaced: KnownVtep = { device: 'eth1', address: '192.168.33.99', home: '192.168.33.11' }
    const now = 'eth1 192.168.33.99/24'
    expect(chosen('eth1', [now], replaced)).toBe('eth1 192.168.33.99')
    expect(chosen('eth1', [now, main], replaced)).toBe('eth1 192.168.33.11')
    expect(chosen('eth1', [now, 'eth0 192.168.33.11/24'], replaced)).toBe('eth1 192.168.33.99')
    expect(chosen('eth1', [now, 'eth1 192.168.33.11/32'], replaced), 'virtual by now').toBe(
      'eth1 192.168.33.99',
    )
  })

  test('a substitute of another family gives way to any address of the family of before', () => {
    const replaced: KnownVtep = { device: 'eth1', address: 'fd00:33::11', home: '192.168.33.11' }
    expect(chosen('eth1', [six], replaced)).toBe('eth1 fd00:33::11')
    expect(chosen('eth1', [six, 'eth1 192.168.33.99/24'], replaced)).toBe('eth1 192.168.33.99')
  })
})

describe('at a start that does not know the interface of the VTEP', () => {
  test('an address in a CIDR is waited for longer', () => {
    const other = 'eth2 192.168.34.5/24'
    expect(chosen('192.168.0.0/16', [vip, other], recorded)).toBe(
      'missing, next eth1 192.168.33.100 after 60 s',
    )
    expect(chosen('192.168.0.0/16', [vip, 'eth1 192.168.33.101/32', other], recorded)).toBe(
      'missing, next eth2 192.168.34.5 after 60 s',
    )
  })

  test('a named interface gives an address of any kind in the end', () => {
    const next = 'missing, next'
    expect(chosen('eth1', [six], recorded)).toBe(`${next} eth1 fd00:33::11 after 60 s`)
    expect(chosen('eth1', [vip, 'eth1 192.168.33.101/32'], recorded)).toBe(
      `${next} eth1 192.168.33.100 after 60 s`,
    )
    expect(chosen('eth1', ['eth1 192.168.33.12/24 passing'], recorded)).toBe(
      `${next} eth1 192.168.33.12 after 60 s`,
    )
    expect(chosen('eth1', [vip], recorded)).toBe(`${next} eth1 192.168.33.100 after 10 s`)
  })
})

test('another --bind-interface at a start is followed at once, also while the old address is there', () => {
  expect(chosen('eth2', [main, 'eth2 10.9.0.2/32'], recorded)).toBe('eth2 10.9.0.2')
  expect(chosen('fd00:33::/64', [six], recorded)).toBe('eth1 fd00:33::11')
  expect(chosen('192.168.33.99', ['eth1 192.168.33.99/24'], recorded)).toBe('eth1 192.168.33.99')
  const ofDocker = { address: '192.168.7.1' }
  expect(chosen('192.168.0.0/16', [docker, main], ofDocker), 'of an older driver').toBe('eth1 192.168.33.11')
})
