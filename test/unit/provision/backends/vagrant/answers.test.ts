import { expect, test } from 'vitest'
import { accessIn, machinesIn } from '../../../../../provision/backends/vagrant/answers.ts'

/** Written after Vagrant’s documentation of --machine-readable and its providers’ words; not taken from a run. */
const status = `1764018722,consul-server,metadata,provider,libvirt
1764018722,net-1,metadata,provider,libvirt
1764018722,net-2,metadata,provider,libvirt
1764018722,consul-server,provider-name,libvirt
1764018722,consul-server,state,running
1764018722,consul-server,state-human-short,running
1764018722,consul-server,state-human-long,The Libvirt domain is running. To stop this machine%!(VAGRANT_COMMA) you can run\\n\`vagrant halt\`.
1764018722,net-1,provider-name,libvirt
1764018722,net-1,state,shutoff
1764018722,net-1,state-human-short,shutoff
1764018722,net-2,provider-name,libvirt
1764018722,net-2,state,not_created
1764018722,net-2,state-human-short,not created
1764018722,,ui,info,Current machine states:\\n\\nconsul-server             running (libvirt)
`

test('each machine has a state and a provider; lines of other kinds tell of none', () => {
  expect([...machinesIn(status)]).toEqual([
    ['consul-server', { state: 'running', provider: 'libvirt' }],
    ['net-1', { state: 'stopped', provider: 'libvirt' }],
    ['net-2', { state: 'absent', provider: 'libvirt' }],
  ])
})

test.each([
  ['poweroff', 'stopped'],
  ['saved', 'stopped'],
  ['aborted', 'stopped'],
  ['paused', 'stopped'],
  ['inaccessible', 'broken'],
  ['gurumeditation', 'broken'],
])('a machine that is %s is %s', (word, state) => {
  expect(machinesIn(`1,net-1,state,${word}`).get('net-1')?.state).toBe(state)
})

const libvirt = `Host consul-server
  HostName 192.168.121.27
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /home/me/multihost/.vagrant/machines/consul-server/libvirt/private_key
  IdentitiesOnly yes
  LogLevel FATAL

Host net-1
  HostName 192.168.121.193
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile /home/me/multihost/.vagrant/machines/net-1/libvirt/private_key
  IdentitiesOnly yes
  LogLevel FATAL

`

test('every block of ssh-config is a machine', () => {
  expect([...accessIn(libvirt)]).toEqual([
    [
      'consul-server',
      {
        address: '192.168.121.27',
        port: 22,
        user: 'vagrant',
        identityFile: '/home/me/multihost/.vagrant/machines/consul-server/libvirt/private_key',
      },
    ],
    [
      'net-1',
      {
        address: '192.168.121.193',
        port: 22,
        user: 'vagrant',
        identityFile: '/home/me/multihost/.vagrant/machines/net-1/libvirt/private_key',
      },
    ],
  ])
  expect(accessIn('').size).toBe(0)
})

test('Windows’ line ends, a path with spaces and several keys are read as ssh would', () => {
  const config = [
    'Host net-2',
    '  HostName 127.0.0.1',
    '  User vagrant',
    '  Port 2201',
    '  IdentityFile "C:/Users/Some One/.vagrant.d/insecure_private_keys/vagrant.key.ed25519"',
    '  IdentityFile C:/Users/other.key',
  ].join('\r\n')
  expect(accessIn(config).get('net-2')).toEqual({
    address: '127.0.0.1',
    port: 2201,
    user: 'vagrant',
    identityFile: 'C:/Users/Some One/.vagrant.d/insecure_private_keys/vagrant.key.ed25519',
  })
})

test('what the lab cannot use is said, and not passed over', () => {
  expect(() => accessIn('Host net-1\n  HostName a\n  ProxyCommand nc %h %p\n')).toThrow(
    'net-1 is reached by a ProxyCommand, which the lab cannot use',
  )
  expect(() => accessIn('Host net-1\n  HostName a\n')).toThrow('vagrant ssh-config has no User')
})
