/**
 * The faults that a scenario can inject. Each is verified to be in force before the scenario goes on, by a
 * measurement on the host. When its scope ends it is reverted and verified to be over, whether the scenario
 * holds or fails.
 *
 * Faults of the network are injected in the lab's switch, where the hosts do not see them
 * (provision/backends/nspawn/faults). Faults of a process or a disk use the control channel, which does not
 * cross the lab's network.
 *
 * @example
 *     await using cut = await faults.partition(hostA, hostB)
 *     …
 *     await cut.heal()      // or the end of the scope
 */
import type { Backend } from '../../provision/backends/backend.ts'
import type { Capability } from '../../provision/backends/capabilities.ts'
import { describeFault, type NetworkFault, withFault } from '../../provision/backends/faults.ts'
import { hostNamed, hostsOfRole } from '../../provision/lab/definition.ts'
import { LabError } from '../../provision/process/errors.ts'
import { poll } from '../../provision/process/until.ts'
import { subject } from './current-subject.ts'
import { type Fillable, smallDisk } from './disk.ts'
import { type Fault, type FaultSteps, healAll, injectFault, type Verified } from './fault.ts'
import type { Host } from './host.ts'

export interface Faults {
  /** Cuts the two hosts off from each other. */
  partition(a: Host, b: Host): Promise<Fault>
  /** Takes the carrier from the host's interface. */
  unplug(host: Host): Promise<Fault>
  /** Drops this share of the packets that the host sends; measured on the way to `peer`. */
  lose(host: Host, percent: number, peer: Host): Promise<Fault>
  /** Delays the packets that the host sends; measured on the way to `peer`. */
  slow(host: Host, ms: number, peer: Host): Promise<Fault>
  /** SIGSTOP: stops all threads of the unit. Healed by SIGCONT. */
  pause(host: Host, unit: string): Promise<Fault>
  /** SIGKILL. Healed when the unit is active again. */
  kill(host: Host, unit: string): Promise<Fault>
  /** Resolves when the unit is active again with another main process. */
  restart(host: Host, unit: string): Promise<void>
  /** Switches the host off as a power failure does. Healed: the host is up again, with its disks. */
  off(host: Host): Promise<Fault>
  /** Moves the folder to a small file system that can be filled. Restarts the units. */
  smallDisk(host: Host, folder: string, ...units: string[]): Promise<Fillable>
}

/**
 * The faults of one scenario. `needs` skips the scenario where the backend lacks a fault. `end` heals the
 * faults that the scenario has left.
 */
export function faultsOf(
  backend: Backend,
  needs: (capability: Capability) => void,
): Faults & { end(): Promise<void> } {
  const injected: AsyncDisposable[] = []
  const track = async <T extends AsyncDisposable>(fault: Promise<T>): Promise<T> => {
    injected.push(await fault)
    return fault
  }
  const network = (fault: NetworkFault, verified: Verified) => {
    needs('network faults')
    return track(injectFault({ ...networkFault(backend, fault), ...verified }))
  }
  return {
    partition: (a, b) =>
      network(
        { fault: 'partition', between: [a.name, b.name] },
        { inForce: () => both(a, b, isCutOff), healed: () => both(a, b, reaches) },
      ),
    unplug: (host) =>
      network(
        { fault: 'unplug', host: host.name },
        { inForce: () => carrier(host, false), healed: () => carrier(host, true) },
      ),
    lose: (host, percent, peer) =>
      network(
        { fault: 'lose', host: host.name, percent },
        { inForce: () => loses(host, peer, percent / 100), healed: () => loses(host, peer, 0) },
      ),
    slow: (host, ms, peer) =>
      network(
        { fault: 'slow', host: host.name, ms },
        // Kernel timers count whole milliseconds: a delay can be 1 ms short.
        {
          inForce: () => roundTrip(host, peer, '-ge', ms - 1),
          healed: () => roundTrip(host, peer, '-lt', ms / 2),
        },
      ),
    pause: (host, unit) => track(injectFault(paused(host, unit))),
    kill: (host, unit) => track(injectFault(killed(host, unit))),
    restart: restarted,
    off(host) {
      needs('power')
      return track(injectFault(poweredOff(backend, host)))
    },
    smallDisk: (host, folder, ...units) =>
      track(smallDisk(host, folder, units, hostsOfRole(backend.lab, 'consul').length)),
    end: () => healAll(injected),
  }
}

function networkFault({ faults }: Backend, fault: NetworkFault): Pick<FaultSteps, 'inject' | 'revert'> {
  if (faults === undefined) throw new LabError('this lab has no switch to inject network faults in')
  const isOther = (each: NetworkFault) => describeFault(each) !== describeFault(fault)
  return {
    inject: () => faults.change((inForce) => withFault(inForce, fault)),
    revert: () => faults.change((inForce) => inForce.filter(isOther)),
  }
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

/** Waits until a measured loss is within four standard deviations. */
async function loses(from: Host, to: Host, share: number): Promise<void> {
  const sent = 600
  const deviation = Math.sqrt((share * (1 - share)) / sent)
  let lost = 0
  const measured = async (): Promise<true | undefined> => {
    const words = await from.run`ping -q -c ${sent} -i 0.002 -W 1 ${to.address}`
    lost = 1 - Number(/(\d+) received/.exec(words.stdout)?.[1]) / sent
    return Math.abs(lost - share) <= 4 * deviation || undefined
  }
  if ((await poll(measured, 10_000)).value) return
  throw new Error(
    `${from.name} loses ${(100 * lost).toFixed(1)} % on the way to ${to.name}, not ${100 * share} %`,
  )
}

/** Tests the shortest of three round trips: a busy machine delays single packets. */
function roundTrip(from: Host, to: Host, test: '-ge' | '-lt', ms: number): Promise<string> {
  const quickest = String.raw`sed -n 's|^rtt [^=]*= \([0-9]*\).*|\1|p'`
  return from.waitUntilSucceeds`[ $(ping -q -c3 -i0.2 -w9 ${to.address} | sh -c ${quickest}) ${test} ${Math.round(ms)} ]`
}

function paused(host: Host, unit: string): FaultSteps {
  const states = `p=$(systemctl show -p MainPID --value ${unit}); [ $p -gt 0 ] && ! grep -h ^State: /proc/$p/task/*/status`
  return {
    inject: () => host.succeed`systemctl kill -s STOP ${unit}`,
    inForce: () => host.waitUntilSucceeds`sh -c ${`${states} | grep -vq stopped`}`,
    revert: () => host.succeed`systemctl kill -s CONT ${unit}`,
    healed: () => host.waitUntilSucceeds`sh -c ${`${states} | grep -q stopped`}`,
  }
}

/** Clears systemd's start limit, which many restarts in a row exceed. */
const clearStartLimit = (unit: string): string => `systemctl reset-failed ${unit} 2> /dev/null; true`
const mainPid = (host: Host, unit: string) => host.succeed`systemctl show -p MainPID --value ${unit}`
const isActive = (host: Host, unit: string) =>
  host.within(30_000).waitUntilSucceeds`systemctl -q is-active ${unit}`

function killed(host: Host, unit: string): FaultSteps {
  let was = '0'
  return {
    async inject() {
      was = await mainPid(host, unit)
      await host.succeed`systemctl kill -s KILL ${unit}`
    },
    inForce: () => host.waitUntilSucceeds`[ ${was} -gt 0 ] && ! kill -0 ${was} 2> /dev/null`,
    revert: () => host.succeed`sh -c ${clearStartLimit(unit)}; systemctl start ${unit}`,
    healed: () => isActive(host, unit),
  }
}

async function restarted(host: Host, unit: string): Promise<void> {
  const was = await mainPid(host, unit)
  await host.succeed`sh -c ${clearStartLimit(unit)}; systemctl restart ${unit}`
  await isActive(host, unit)
  await host.succeed`[ $(systemctl show -p MainPID --value ${unit}) != ${was} ]`
}

function poweredOff({ lab, power }: Backend, host: Host): FaultSteps {
  if (power === undefined) throw new LabError('the hosts of this lab cannot be switched off')
  const machine = hostNamed(lab, host.name)
  return {
    inject: () => power.off(machine),
    async inForce() {
      const { code } = await host.run`true`
      if (code !== 255) throw new Error(`${host.name} still answers after power off`)
    },
    revert: () => power.on(machine),
    healed: () =>
      host.within(60_000)
        .waitUntilSucceeds`sh -c ${machine.role === subject.role ? subject.answers : 'true'}`,
  }
}
