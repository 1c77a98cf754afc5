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
  return `missing, next ${choice.next?.address ?? 'none'}`
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
    expect(() => chosen('10.255.0.11', all)).toThrow('10.255.0.11 on lo, which carries no VTEP')
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

  test('has no substitute of another family, of Docker’s, or that may go', () => {
    expect(chosen('eth1', [six], known)).toBe('missing, next none')
    expect(chosen('eth1', [vip, 'eth1 192.168.33.12/24 passing'], known)).toBe('missing, next none')
    const bridges = ['docker_gwbridge 192.168.6.1/24', 'br-0123456789ab 192.168.8.1/24']
    expect(chosen('192.168.0.0/16', [docker, vip, ...bridges], known)).toBe('missing, next none')
  })

  test('has one in an address of its interface and family that is there to stay', () => {
    expect(chosen('eth1', [six, vip, 'eth1 192.168.33.99/24'], known)).toBe('missing, next 192.168.33.99')
    expect(chosen('eth1', ['eth1 10.128.0.7/32 leased'], known)).toBe('missing, next 10.128.0.7')
  })

  test('that has no address beside it is an interface that is not there', () => {
    expect(() => chosen('eth1', ['eth0 10.0.2.15/24'], known)).toThrow('no interface is named eth1')
  })
})

test('no other interface of a CIDR gives a substitute to a driver that runs', () => {
  const other = 'eth2 192.168.34.5/24'
  expect(chosen('192.168.0.0/16', [vip, other], running)).toBe('missing, next none')
  expect(chosen('192.168.0.0/16', [vip, other], recorded)).toBe('missing, next 192.168.34.5')
})

test('another --bind-interface at a start is followed at once, also while the old address is there', () => {
  expect(chosen('eth2', [main, 'eth2 10.9.0.2/32'], recorded)).toBe('eth2 10.9.0.2')
  expect(chosen('fd00:33::/64', [six], recorded)).toBe('eth1 fd00:33::11')
  expect(chosen('192.168.33.99', ['eth1 192.168.33.99/24'], recorded)).toBe('eth1 192.168.33.99')
  const ofDocker = { address: '192.168.7.1' }
  expect(chosen('192.168.0.0/16', [docker, main], ofDocker), 'of an older driver').toBe('eth1 192.168.33.11')
})
