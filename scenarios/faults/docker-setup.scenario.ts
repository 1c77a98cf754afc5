/**
 * Docker as people set it up: the engine's files elsewhere, and options in daemon.json.
 */
import { expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import type { Host } from '../kit/host.ts'
import { sharedNetwork } from '../kit/network.ts'
import { scenario } from '../kit/scenario.ts'
import { undoAfter } from '../kit/suppressed.ts'

/** The engine starts with this daemon.json. A container of the host's must not run. */
async function restartWith(host: Host, config: object): Promise<void> {
  await host.succeed`systemctl stop docker docker.socket && echo ${JSON.stringify(config)} > /etc/docker/daemon.json`
  await host.succeed`systemctl reset-failed docker; systemctl start docker && timeout 20 docker version > /dev/null`
}

/** The engine's files are in both places, so that it has its images and networks. */
async function moveData(host: Host, folder: string): Promise<AsyncDisposable> {
  await host.succeed`mkdir -p ${folder} && mount --bind /var/lib/docker ${folder}`
  const moveBack = async (): Promise<void> => {
    await restartWith(host, {})
    await host.waitUntilSucceeds`umount ${folder}`
    await host.succeed`rm -f /etc/docker/daemon.json`
  }
  await restartWith(host, { 'data-root': folder }).catch((error: unknown) => undoAfter(error, moveBack))
  return { [Symbol.asyncDispose]: moveBack }
}

scenario(
  'names are in hosts files wherever the engine keeps its files, and the driver stays up',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using _web = await hostB.run({ name: 'web', network: foobar.name })
    const starts = () => hostA.succeed`systemctl show -p NRestarts --value multihost`
    const before = await starts()
    for (const folder of ['/srv/docker', '/home/docker']) {
      await using _moved = await moveData(hostA, folder)
      await using asker = await hostA.run({ name: 'asker', network: foobar.name })
      expect(await hostA.succeed`docker inspect -f ${'{{.HostsPath}}'} asker`).toContain(folder)
      await asker.waitUntilSucceeds`grep -q web.foobar /etc/hosts`
      await hostA.waitUntilSucceeds`multihost status | grep 'no problems'`
    }
    expect(await starts()).toBe(before)
  },
)

scenario(
  'without Docker’s own firewall, and with containers that outlive dockerd, names and addresses are reached',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using _web = await hostB.run({ name: 'web', network: foobar.name })
    await using _engine = atEnd(async () => {
      await restartWith(hostA, {})
      await hostA.succeed`rm -f /etc/docker/daemon.json`
    })
    await restartWith(hostA, { 'live-restore': true, iptables: false })
    await using asker = await hostA.run({ name: 'asker', network: foobar.name })
    await hostA.succeed`systemctl restart docker`
    await asker.succeed`echo 'hosts: dns' > /etc/nsswitch.conf`
    await asker.waitUntilSucceeds`ping -c1 -W1 web.foobar`
  },
)

scenario('options that a person adds to daemon.json count, and Docker starts', async ({ hostA, hostB }) => {
  await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
  await using web = await hostB.run({ name: 'web', network: foobar.name })
  const pools = [{ base: '10.200.0.0/16', size: 24 }]
  await using _engine = atEnd(async () => {
    await hostA.run`docker network rm people`
    await restartWith(hostA, {})
    await hostA.succeed`rm -f /etc/docker/daemon.json`
  })
  await restartWith(hostA, { 'default-address-pools': pools, dns: ['192.0.2.53'] })
  await hostA.succeed`docker network create people`
  const subnet = '{{range .IPAM.Config}}{{.Subnet}}{{end}}'
  expect(await hostA.succeed`docker network inspect -f ${subnet} people`).toMatch(/^10\.200\./)
  await using asker = await hostA.run({ name: 'asker', network: foobar.name })
  await asker.waitUntilSucceeds`ping -c1 -W1 ${web.name}`
})

scenario(
  'containers follow the underlay’s MTU where the engine has another exec-root',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using _engine = atEnd(async () => {
      await hostA.succeed`ip link set eth1 mtu 1500`
      await restartWith(hostA, {})
      await hostA.succeed`rm -f /etc/docker/daemon.json`
    })
    await restartWith(hostA, { 'exec-root': '/run/docker-elsewhere' })
    await using web = await hostA.run({ name: 'web', network: foobar.name })
    await hostA.succeed`ip link set eth1 mtu 1400`
    await web.waitUntilSucceeds`ip link show eth0 | grep -q 'mtu 1350'`
  },
)

/**
 * A second engine of the host, with files of its own and an image without content. Commands go to it by `-H`.
 * It uses the host's containerd, in namespaces of its own: the first engine has the namespace `moby`. It has
 * a bridge of its own, too: an engine without one (`--bridge none`) removes docker0 of the first engine.
 */
async function secondEngine(host: Host): Promise<AsyncDisposable & { socket: string }> {
  const socket = 'unix:///run/second.sock'
  const stop = async (): Promise<void> => {
    await host.succeed`systemctl stop second; ip link del second; rm -rf /var/lib/docker/second /run/second /run/second.sock`
  }
  await host.succeed`ip link add second type bridge && ip address add 192.0.2.1/24 dev second`
  await host.succeed`systemd-run -q --collect --unit second dockerd -H ${socket} --data-root /var/lib/docker/second \
--exec-root /run/second --pidfile /run/second.pid --bridge second --iptables=false \
--containerd-namespace second --containerd-plugins-namespace second-plugins`
  const image = `docker -H ${socket} version && tar c --files-from /dev/null | docker -H ${socket} import - empty`
  await host.within(30_000).waitUntilSucceeds`sh -c ${image}`.catch((error: unknown) =>
    undoAfter(error, stop),
  )
  return { socket, [Symbol.asyncDispose]: stop }
}

scenario(
  'a container of a second engine on the host is refused with the reason, and the first engine goes on',
  async ({ hostA, hostB }) => {
    await using foobar = await sharedNetwork([hostA, hostB], 'foobar')
    await using web = await hostB.run({ name: 'web', network: foobar.name })
    await using second = await secondEngine(hostA)
    await hostA.succeed`docker -H ${second.socket} network create -d vxlan --ipam-driver vxlan theirs`
    await using _theirs = atEnd(() => hostA.succeed`docker -H ${second.socket} network rm theirs`)
    const said = await hostA.fail`docker -H ${second.socket} run --network theirs empty /none`
    expect(said).toContain(`was made by another Docker engine on host ${hostA.name}`)
    await hostA.succeed`docker -H ${second.socket} container prune -f`
    await using asker = await hostA.run({ name: 'asker', network: foobar.name })
    await asker.succeed`ping -c1 -W1 ${web.name}`
    await hostA.succeed`ip link show docker0`
  },
)
