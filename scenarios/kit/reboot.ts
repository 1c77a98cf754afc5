/** A host's reboot, from the command to the next boot: until then the host answers as before. */
import type { Host } from './host.ts'

/** A lab host on the machine's own kernel has the machine's boot id, and a PID 1 of its own. */
const boot = "cat /proc/sys/kernel/random/boot_id && cut -d ' ' -f 22 /proc/1/stat"

/** Resolves when the host has booted again and runs commands. What it starts at boot may still be on its way. */
export async function reboot(host: Host): Promise<void> {
  const before = await host.succeed`sh -c ${boot}`
  // The connection may end before the answer.
  await host.run`systemctl reboot`
  await host.within(120_000).waitUntilSucceeds`sh -c ${`now=$(${boot}) && [ "$now" != "${before}" ]`}`
}
