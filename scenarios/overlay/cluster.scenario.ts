/**
 * The lab: a Consul server on one host and a Docker engine on each of the others.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { labBackend, scenario } from '../kit/scenario.ts'

scenario(
  'three hosts are up, each with its name and with its address on eth1',
  async ({ consulServer, hostA, hostB }) => {
    for (const host of [consulServer, hostA, hostB]) {
      expect(await host.succeed`uname -n`).toBe(host.name)
      const [link] = JSON.parse(await host.succeed`ip -j -4 address show dev eth1`)
      expect(link.addr_info).toMatchObject([{ local: host.address, prefixlen: 24 }])
      expect(await host.succeed`ps -p 1 -o comm=`).toBe('systemd')
    }
  },
)

scenario('every host reaches every other across the lab network', async ({ consulServer, hostA, hostB }) => {
  const all = [consulServer, hostA, hostB]
  for (const host of all) {
    for (const other of all) await host.waitUntilSucceeds`ping -c1 -W1 ${other.name}`
  }
})

scenario('Consul has a leader, and it is consul-server', async ({ consulServer, hostA, hostB }) => {
  for (const host of [consulServer, hostA, hostB]) {
    const leader = await host.succeed`curl -sf http://${consulServer.address}:8500/v1/status/leader`
    expect(JSON.parse(leader)).toBe(`${consulServer.address}:8300`)
  }
  expect(await hostA.succeed`curl -sfL http://${consulServer.address}:8500/ui/`).toContain('<title>Consul')
})

scenario(
  'docker answers on both hosts, with the same engine that the lab was asked for',
  async ({ hostA, hostB }) => {
    const { lab, engineOf } = await labBackend()
    for (const host of [hostA, hostB]) {
      const version = await host.succeed`docker version --format ${'{{.Server.Version}}'}`
      expect(version).toMatch(/^\d+\.\d+\.\d+/)
      const asked = lab.hosts.filter(({ name }) => name === host.name).map(engineOf)[0]
      if (asked !== undefined)
        expect(`${version}.`).toMatch(new RegExp(`^${asked.replaceAll('.', '\\.')}\\.`))
    }
  },
)

scenario(
  'the options of engine and driver are in /etc/default/docker',
  async ({ hostA, hostB, consulServer }) => {
    for (const host of [hostA, hostB]) {
      const options = await host.succeed`cat /etc/default/docker`
      expect(options).toContain(`--kv-store=consul://${consulServer.address}:8500`)
      expect(await host.succeed`systemctl show -p EnvironmentFiles docker`).toContain('/etc/default/docker')
    }
  },
)

scenario('the control channel does not need the lab network', async ({ hostB, needs }) => {
  needs('out of band')
  await hostB.succeed`ip link set dev eth1 down`
  {
    await using _link = atEnd(() => hostB.succeed`ip link set dev eth1 up`)
    expect(await hostB.succeed`ip -br link show dev eth1`).toMatch(/^eth1\S* +DOWN/)
    await hostB.fail`ping -c1 -W1 consul-server`
  }
  await hostB.waitUntilSucceeds`ping -c1 -W1 consul-server`
})
