/**
 * Kernel modules that nothing loads by itself. dockerd calls modprobe for them; a lab host has no modules to
 * load, so the machine loads them before one boots. All others are loaded by the kernel when they are asked
 * for.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { LabError } from '../../process/errors.ts'
import { checkInterrupted } from '../../process/interruption.ts'
import { run } from '../../process/run.ts'

/**
 * For bridge networks:
 * `cannot restrict inter-container communication: ensure that the br_netfilter kernel module is loaded`.
 */
const needed = 'br_netfilter'
/** For Swarm's services, with which the driver is compared. */
const wanted = ['ip_vs']

const settings = '/proc/sys/net/bridge'

function hasBridgeFilter(): boolean {
  return existsSync(`${settings}/bridge-nf-call-iptables`)
}

export async function loadModules(): Promise<void> {
  const was = hasBridgeFilter()
  // a kernel that has them built in needs no modprobe, and may have none
  await run('modprobe', ['--quiet', '--all', needed, ...wanted]).catch(checkInterrupted)
  if (hasBridgeFilter()) {
    if (!was) spareTheMachine()
    return
  }
  throw new LabError(`the kernel has not loaded ${needed}: Docker needs it to start containers`, {
    hint: `as root: modprobe ${needed}; if modprobe fails, use a kernel with that module`,
  })
}

/**
 * Loaded, it shows the machine's own bridges to its firewall. It is for the lab's namespaces, which have
 * settings of their own.
 */
function spareTheMachine(): void {
  for (const each of ['iptables', 'ip6tables', 'arptables'])
    writeFileSync(`${settings}/bridge-nf-call-${each}`, '0')
}
