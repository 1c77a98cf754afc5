/**
 * A full disk: a folder of a host is put on a small file system of its own, which can then be filled.
 *
 * nspawn hosts stand on the machine's own disk, which is nobody's to fill. What was written meanwhile is put back into the
 * folder when the scope ends; the units that work there are stopped for each change, as they hold files open.
 */
import { type Fault, lasting } from './fault.ts'
import type { Host } from './host.ts'
import { consulLeads } from './store.ts'

export interface Fillable extends AsyncDisposable {
  /** Not a byte is left. */
  fill(): Promise<Fault>
}

/** Room beside what the folder has already, in bytes. */
const room = 64 << 20

export async function smallDisk(host: Host, folder: string, units: readonly string[]): Promise<Fillable> {
  const [disk, filler] = [`/run/small${folder}`, `${folder}/.full`]
  let over = false
  const sh = (script: string) => host.succeed`sh -ec ${script}`
  const around = async (change: string) => {
    await sh(`systemctl stop ${units.join(' ')}; ${change}; systemctl start ${units.join(' ')}`)
    if (units.includes('consul')) await consulLeads(host)
  }
  const size = `$(($(du -s -B1 ${folder} | cut -f1) + ${room}))`
  await around(
    `mkdir -p ${disk}; mount -t tmpfs -o size=${size} tmpfs ${disk}; cp -a ${folder}/. ${disk}; mount --bind ${disk} ${folder}`,
  )
  const write = `head -c 4096 /dev/zero > ${folder}/.probe 2> /dev/null`
  return {
    fill: () =>
      lasting({
        make: () => host.run`sh -c ${`cat /dev/zero > ${filler}`}`,
        holds: () => sh(`if ${write}; then exit 1; fi`),
        undo: () => sh(`rm -f ${filler} ${folder}/.probe`),
        healed: () => sh(`${write}; rm ${folder}/.probe`),
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
