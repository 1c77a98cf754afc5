/**
 * Kernel modules that nothing loads by itself. dockerd calls modprobe for them; a lab host has no modules to load, so
 * the machine loads them before one boots. All others are loaded by the kernel when they are asked for.
 */
import { existsSync } from 'node:fs'
import { LabError } from '../errors.ts'
import { run } from './run.ts'

/** For bridge networks: `cannot restrict inter-container communication: ensure that the br_netfilter kernel module is loaded`. */
const needed = 'br_netfilter'
/** For Swarm's services, with which the driver is compared. */
const wanted = ['ip_vs']

export function hasBridgeFilter(): boolean {
  return existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')
}

export async function loadModules(): Promise<void> {
  // a kernel that has them built in needs no modprobe, and may have none
  await run('modprobe', ['--quiet', '--all', needed, ...wanted]).catch(() => undefined)
  if (hasBridgeFilter()) return
  throw new LabError(`the kernel has not loaded ${needed}, without which an engine starts no container`, {
    hint: `as root: modprobe ${needed}; where that is refused, use a kernel that has it`,
  })
}
