/**
 * A full disk. A folder of a host is moved to a small file system, which a scenario can fill: nspawn hosts
 * share the machine's own disk, which no scenario may fill. When the scope ends, the folder gets the files
 * back, with what was written meanwhile. The units that work in the folder are stopped for each change,
 * because they hold files open.
 */
import { type Fault, injectFault } from './fault.ts'
import type { Host } from './host.ts'
import { consulLeads, everyServerVotes } from './store.ts'

export interface Fillable extends AsyncDisposable {
  /** Fills the file system to the last byte. */
  fill(): Promise<Fault>
}

/** Free space beyond what the folder already has, in bytes. */
const room = 64 << 20

/** `consulServers`: how many the lab has. */
export async function smallDisk(
  host: Host,
  folder: string,
  units: readonly string[],
  consulServers: number,
): Promise<Fillable> {
  const disk = `/run/small${folder}`
  const filler = `${folder}/.full`
  let over = false
  const sh = (script: string) => host.succeed`sh -ec ${script}`
  const recovered = async () => {
    if (!units.includes('consul')) return
    if (consulServers > 1) await everyServerVotes(host, consulServers)
    await consulLeads(host)
  }
  const around = async (change: string) => {
    await sh(`systemctl stop ${units.join(' ')}; ${change}; systemctl start ${units.join(' ')}`)
    await recovered()
  }
  const size = `$(($(du -s -B1 ${folder} | cut -f1) + ${room}))`
  await around(
    `mkdir -p ${disk}; mount -t tmpfs -o size=${size} tmpfs ${disk}; cp -a ${folder}/. ${disk}; mount --bind ${disk} ${folder}`,
  )
  const write = `head -c 4096 /dev/zero > ${folder}/.probe 2> /dev/null`
  const fillUp = `cat /dev/zero >> ${filler} 2> /dev/null`
  return {
    fill: () =>
      injectFault({
        inject: () => host.run`sh -c ${fillUp}`,
        // A unit that removes a file of its own makes room again.
        inForce: () => host.waitUntilSucceeds`sh -c ${`rm -f ${folder}/.probe; ${fillUp}; ! ${write}`}`,
        revert: () => sh(`rm -f ${filler} ${folder}/.probe`),
        async healed() {
          await sh(`${write}; rm ${folder}/.probe`)
          await recovered()
        },
      }),
    async [Symbol.asyncDispose]() {
      if (over) return
      over = true
      await around(
        `rm -f ${filler}; umount ${folder}; find ${folder} -mindepth 1 -delete; cp -a ${disk}/. ${folder}; umount ${disk}`,
      )
    },
  }
}
