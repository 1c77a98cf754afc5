/**
 * The vocabulary of faults: each is verified to be in force before the scenario goes on, by measuring it, and healed,
 * and seen to be, when its scope ends, whether the scenario holds or fails.
 *
 *     await using cut = await faults.partition(net1, net2)
 *     …
 *     await cut.heal()      or the end of the scope
 *
 * Faults of the network are made where the hosts do not see them (provision/backends/nspawn/faults); faults of a process or a
 * disk by the control channel, which does not cross the lab's network.
 */
import type { Backend } from '../../provision/backends/backend.ts'
import type { Capability } from '../../provision/backends/capabilities.ts'
import { describeFault, type NetworkFault } from '../../provision/backends/faults.ts'
import { hostNamed } from '../../provision/lab/hosts.ts'
import { LabError } from '../../provision/process/errors.ts'
import { type Fillable, smallDisk } from './disk.ts'
import { type Fault, type Lasting, lasting, type Seen } from './fault.ts'
import type { Host } from './host.ts'

export interface Faults {
  /** Neither reaches the other. */
  partition(a: Host, b: Host): Promise<Fault>
  /** No carrier. */
  unplug(host: Host): Promise<Fault>
  /** Of what the host sends, this share is lost; seen on the way to `peer`. */
  lose(host: Host, percent: number, peer: Host): Promise<Fault>
  /** What the host sends is so much later; seen on the way to `peer`. */
  slow(host: Host, ms: number, peer: Host): Promise<Fault>
  /** SIGSTOP: all threads of the unit stand still. */
  pause(host: Host, unit: string): Promise<Fault>
  /** SIGKILL; healed when the unit is active again. */
  kill(host: Host, unit: string): Promise<Fault>
  /** Is over when it resolves: the unit is active again, as another process. */
  restart(host: Host, unit: string): Promise<void>
  /** As by a power failure; comes back with its disks when healed. */
  off(host: Host): Promise<Fault>
  /** A disk of its own below the folder, which can be filled without filling the machine's. Restarts the units. */
  smallDisk(host: Host, folder: string, ...units: string[]): Promise<Fillable>
}

/** Faults of one scenario, which `needs` ends where the backend cannot make one; those that it left are healed by `end`. */
export function faultsOf(
  backend: Backend,
  needs: (capability: Capability) => void,
): Faults & { end(): Promise<void> } {
  const made: AsyncDisposable[] = []
  const keep = async <T extends AsyncDisposable>(fault: Promise<T>): Promise<T> => {
    made.push(await fault)
    return fault
  }
  const network = (fault: NetworkFault, seen: Seen) => {
    needs('network faults')
    return keep(lasting({ ...networkFault(backend, fault), ...seen }))
  }
  return {
    partition: (a, b) =>
      network(
        { fault: 'partition', between: [a.name, b.name] },
        { holds: () => both(a, b, isCutOff), healed: () => both(a, b, reaches) },
      ),
    unplug: (host) =>
      network(
        { fault: 'unplug', host: host.name },
        { holds: () => carrier(host, false), healed: () => carrier(host, true) },
      ),
    lose: (host, percent, peer) =>
      network(
        { fault: 'lose', host: host.name, percent },
        { holds: () => loses(host, peer, percent / 100), healed: () => loses(host, peer, 0) },
      ),
    slow: (host, ms, peer) =>
      network(
        { fault: 'slow', host: host.name, ms },
        // Timers of whole milliseconds may be one early.
        {
          holds: () => roundTrip(host, peer, '-ge', ms - 1),
          healed: () => roundTrip(host, peer, '-lt', ms / 2),
        },
      ),
    pause: (host, unit) => keep(lasting(paused(host, unit))),
    kill: (host, unit) => keep(lasting(killed(host, unit))),
    restart: restarted,
    off(host) {
      needs('power')
      return keep(lasting(poweredOff(backend, host)))
    },
    smallDisk: (host, folder, ...units) => keep(smallDisk(host, folder, units)),
    async end() {
      for (const fault of made.reverse()) await fault[Symbol.asyncDispose]()
    },
  }
}

function networkFault({ faults }: Backend, fault: NetworkFault): Pick<Lasting, 'make' | 'undo'> {
  if (faults === undefined) throw new LabError('this lab has no switch that faults can be made in')
  const others = () => faults.inForce().filter((each) => describeFault(each) !== describeFault(fault))
  return { make: () => faults.apply([...others(), fault]), undo: () => faults.apply(others()) }
}

async function both(a: Host, b: Host, check: (from: Host, to: Host) => Promise<unknown>): Promise<void> {
  await check(a, b)
  await check(b, a)
}

function reaches(from: Host, to: Host): Promise<string> {
  return from.waitUntilSucceeds`ping -c1 -W1 ${to.address} > /dev/null`
}

function isCutOff(from: Host, to: Host): Promise<string> {
  return from.waitUntilSucceeds`! ping -c3 -i0.1 -W1 ${to.address} > /dev/null`
}

function carrier(host: Host, there: boolean): Promise<string> {
  return host.waitUntilSucceeds`ip link show dev eth1 | grep -qw ${there ? 'LOWER_UP' : 'NO-CARRIER'}`
}

/** Within four standard deviations of so many coin tosses: once in some ten thousand runs this is wrong. */
async function loses(from: Host, to: Host, share: number): Promise<void> {
  const sent = 600
  const words = await from.run`ping -q -c ${sent} -i 0.002 -W 1 ${to.address}`
  const received = Number(/(\d+) received/.exec(words.stdout)?.[1])
  const [lost, deviation] = [1 - received / sent, Math.sqrt((share * (1 - share)) / sent)]
  if (Math.abs(lost - share) <= 4 * deviation) return
  throw new Error(
    `${from.name} loses ${(100 * lost).toFixed(1)} % on the way to ${to.name}, not ${100 * share} %`,
  )
}

/** The quickest of three, so that a busy machine is no slow network. */
function roundTrip(from: Host, to: Host, test: '-ge' | '-lt', ms: number): Promise<string> {
  const quickest = String.raw`sed -n 's|^rtt [^=]*= \([0-9]*\).*|\1|p'`
  return from.waitUntilSucceeds`[ $(ping -q -c3 -i0.2 -w9 ${to.address} | sh -c ${quickest}) ${test} ${Math.round(ms)} ]`
}

function paused(host: Host, unit: string): Lasting {
  const states = `p=$(systemctl show -p MainPID --value ${unit}); [ $p -gt 0 ] && ! grep -h ^State: /proc/$p/task/*/status`
  return {
    make: () => host.succeed`systemctl kill -s STOP ${unit}`,
    holds: () => host.waitUntilSucceeds`sh -c ${`${states} | grep -vq stopped`}`,
    undo: () => host.succeed`systemctl kill -s CONT ${unit}`,
    healed: () => host.waitUntilSucceeds`sh -c ${`${states} | grep -q stopped`}`,
  }
}

/** systemd refuses a unit that was started too often, which is not what is tested. */
const allow = (unit: string): string => `systemctl reset-failed ${unit} 2> /dev/null; true`
const mainPid = (host: Host, unit: string) => host.succeed`systemctl show -p MainPID --value ${unit}`
const isActive = (host: Host, unit: string) =>
  host.within(30_000).waitUntilSucceeds`systemctl -q is-active ${unit}`

function killed(host: Host, unit: string): Lasting {
  let was = '0'
  return {
    async make() {
      was = await mainPid(host, unit)
      await host.succeed`systemctl kill -s KILL ${unit}`
    },
    holds: () => host.waitUntilSucceeds`[ ${was} -gt 0 ] && ! kill -0 ${was} 2> /dev/null`,
    undo: () => host.succeed`sh -c ${allow(unit)}; systemctl start ${unit}`,
    healed: () => isActive(host, unit),
  }
}

async function restarted(host: Host, unit: string): Promise<void> {
  const was = await mainPid(host, unit)
  await host.succeed`sh -c ${allow(unit)}; systemctl restart ${unit}`
  await isActive(host, unit)
  await host.succeed`[ $(systemctl show -p MainPID --value ${unit}) != ${was} ]`
}

function poweredOff({ power }: Backend, host: Host): Lasting {
  if (power === undefined) throw new LabError('the hosts of this lab cannot be switched off')
  const machine = hostNamed(host.name)
  return {
    make: () => power.off(machine),
    async holds() {
      const { code } = await host.run`true`
      if (code !== 255) throw new Error(`${host.name} still answers without power`)
    },
    undo: () => power.on(machine),
    healed: () =>
      host.within(60_000).waitUntilSucceeds`docker version > /dev/null && multihost status > /dev/null`,
  }
}
