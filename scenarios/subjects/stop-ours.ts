/**
 * Our own driver is stopped and the lab's `docker` command is removed while another one is tested, so that no scenario
 * passes by their doing. The driver stays off when a host restarts.
 */
import type { Machines } from '../kit/subject.ts'
import { together } from '../kit/together.ts'

export async function stopOurs(machines: Machines): Promise<void> {
  await together(
    machines.map(
      ({ host }) => host.succeed`systemctl -q disable --now multihost; rm -f /usr/local/bin/docker`,
    ),
  )
}
