/** Which sysctls of a container and of its endpoint take IPv6 from the interface. */
import { expect, test } from 'vitest'
import { disablesIpv6 } from '../../../../driver/engine/ipv6-sysctls.ts'

const key = (name: string): string => `net.ipv6.conf.${name}.disable_ipv6`
const all = { [key('all')]: '1' }
const eth0 = { [key('eth0')]: '1' }
const option = (text: string) => ({ 'com.docker.network.endpoint.sysctls': text })
const more = 'net.ipv4.conf.IFNAME.log_martians=1'

test.each<[string, ...Parameters<typeof disablesIpv6>]>([
  ['of the container for all interfaces', all, {}, false],
  ['of the container for the interface of its only network', eth0, {}, true],
  ['of the endpoint', {}, option(`${key('IFNAME')}=1`), false],
  ['of the endpoint among others', {}, option(`${more},${key('IFNAME')}=1`), false],
])('IPv6 is disabled by a sysctl %s', (_, sysctls, options, isOnlyNetwork) => {
  expect(disablesIpv6(sysctls, options, isOnlyNetwork)).toBe(true)
})

test.each<[string, ...Parameters<typeof disablesIpv6>]>([
  ['without sysctls', {}, {}, true],
  ['with sysctls of other names', { 'net.ipv6.conf.all.forwarding': '1' }, option(more), true],
  ['with the value 0', { [key('all')]: '0' }, option(`${key('IFNAME')}=0`), true],
  [
    'with the default, which the engine sets anew for an interface with IPv6',
    { [key('default')]: '1' },
    {},
    true,
  ],
  ['with one for lo', { [key('lo')]: '1' }, {}, true],
  ['with one for an interface that may be another network’s', eth0, {}, false],
  ['with one of the endpoint, which is written last', all, option(`${key('IFNAME')}=0`), true],
])('IPv6 stays %s', (_, sysctls, options, isOnlyNetwork) => {
  expect(disablesIpv6(sysctls, options, isOnlyNetwork)).toBe(false)
})
