/**
 * How soon one host knows what happened on another: a container that started, a network that was made.
 *
 * On net-2 a ping to the address that the new container will have runs before it is started on net-1. Both
 * hosts of an nspawn lab have the machine's clock, so their times can be subtracted. A value below zero says
 * that the other host had its reply before the container's process ran.
 */
import type { Host } from '../../scenarios/kit/host.ts'
import { timedRun } from './containers.ts'
import { anchor, image, type Overlay, overlays, type Pair, pidOf, removeNetwork } from './overlays.ts'
import { isOurs, type Recorder, rounds } from './samples.ts'

export async function measureConvergence(pair: Pair, count: number, record: Recorder): Promise<void> {
  const probers = new Map<string, string>()
  for (const { peer } of overlays) probers.set(peer, await prober(pair.net2, anchor(peer)))
  await rounds(count, overlays, async (overlay, round) => {
    const times = await startAndReply(pair, overlay, round, probers.get(overlay.peer) ?? '')
    record.add('start-reply', overlay.peer, (times.reply - times.process) * 1000)
    record.add('run-reply', overlay.peer, (times.reply - times.called) * 1000)
    record.add('start-name', overlay.peer, (times.name - times.process) * 1000)
    record.add('run-name', overlay.peer, (times.name - times.called) * 1000)
  })
}

/**
 * The process in whose namespace the ping runs. Its kernel asks for an unknown neighbour every second; a
 * hundred times a second is the most it can, and the resolution of what is measured.
 */
async function prober(host: Host, container: string): Promise<string> {
  const pid = await pidOf(host, container)
  await host.succeed`nsenter -t ${pid} -n sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=10`
  return pid
}

/** Seconds since the epoch. */
interface Times {
  called: number
  process: number
  reply: number
  /** Its name is known in a container there. */
  name: number
}

async function startAndReply(
  { net1, net2 }: Pair,
  { peer, warm, prefix }: Overlay,
  round: number,
  pid: string,
): Promise<Times> {
  // each time an address that no host has used yet
  const address = `${prefix}.${100 + Math.floor(round / 200)}.${1 + (round % 200)}`
  const pinging = net2.succeed`nsenter -t ${pid} -n timeout 20 ping -n -D -i 0.005 ${address} | grep -m1 'bytes from'`
  const name = `started-${round}`
  const naming = named(net2, anchor(peer), name)
  const first = 'echo $EPOCHREALTIME; exec sleep infinity'
  const start = `echo $EPOCHREALTIME; /usr/bin/docker run -d --init --name ${name} --network ${warm} --ip ${address} ${image} bash -c '${first}' > /dev/null`
  const [called, replied, known] = await Promise.all([net1.succeed`bash -c ${start}`, pinging, naming])
  const process = await net1.waitUntilSucceeds`/usr/bin/docker logs ${name} | grep .`
  await net1.succeed`/usr/bin/docker rm -f ${name}`
  return {
    called: Number(called),
    process: Number(process),
    reply: Number(/\[([\d.]+)\]/.exec(replied)?.[1]),
    name: Number(known),
  }
}

/** Asked as programs in containers ask, again and again: by hosts file and by the engine's DNS. */
function named(host: Host, container: string, name: string): Promise<string> {
  const script = `until getent hosts ${name} > /dev/null; do sleep 0.005; done; echo $EPOCHREALTIME`
  const options = ['-e', 'RES_OPTIONS=timeout:1 attempts:1']
  return host.succeed`/usr/bin/docker exec ${options} ${container} timeout 20 bash -c ${script}`
}

/** A network is made on net-1; net-2 lists it, and runs its first container there. */
export async function measureCreation(pair: Pair, count: number, record: Recorder): Promise<void> {
  await rounds(count, overlays, async ({ peer, args }, round) => {
    const name = `made-${round}`
    // a Swarm worker lists a network only once a container of its own is on it
    const listing = isOurs(peer) ? listed(pair.net2, name) : undefined
    const create = `echo $EPOCHREALTIME; /usr/bin/docker network create ${args.join(' ')} ${name} > /dev/null; echo $EPOCHREALTIME`
    const times = (await pair.net1.succeed`bash -c ${create}`).split('\n').map(Number)
    const [called = Number.NaN, returned = Number.NaN] = times
    const there = listing === undefined ? returned : await listing
    if (listing !== undefined) record.add('create-listed', peer, (there - called) * 1000)
    const run = await timedRun(pair.net2, peer, name, 'first', record)
    record.add('run-first', peer, run)
    record.add('create-used', peer, (Math.max(there, returned) - called) * 1000 + run)
    await removeNetwork(pair.net1, name)
    await pair.net2.waitUntilSucceeds`! /usr/bin/docker network inspect ${name} > /dev/null 2>&1`
  })
}

/** Asks the engine's socket, since a process of docker's command takes as long as what is measured. */
async function listed(host: Host, name: string): Promise<number> {
  const ask = `curl -sf -o /dev/null --unix-socket /var/run/docker.sock http://localhost/networks/${name}`
  const script = `until ${ask}; do sleep 0.005; done; echo $EPOCHREALTIME`
  return Number(await host.succeed`timeout 20 bash -c ${script}`)
}
