/**
 * Our own driver is stopped and the lab's `docker` command is put aside while another driver is tested, so
 * that no scenario passes by their doing. The driver stays off when a host restarts. `startOurs` gives a lab
 * that stays both back.
 */
import type { Machines } from '../kit/subject.ts'
import { together } from '../kit/together.ts'

const wrapper = '/usr/local/bin/docker'
const aside = '/usr/local/lib/multihost-docker-wrapper'

export async function stopOurs(machines: Machines): Promise<void> {
  await together(
    machines.map(
      ({ host }) =>
        host.succeed`systemctl -q disable --now multihost; [ ! -e ${wrapper} ] || mv ${wrapper} ${aside}`,
    ),
  )
}

/** Undoes `stopOurs`; changes nothing on a host where our driver runs. */
export async function startOurs(machines: Machines): Promise<void> {
  await together(
    machines.map(
      ({ host }) =>
        host.succeed`[ ! -e ${aside} ] || mv ${aside} ${wrapper}; systemctl -q enable --now multihost`,
    ),
  )
}
