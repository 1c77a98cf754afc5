/**
 * Docker's data folder with the walkthrough's image in it, so that a new host need not import anything.
 *
 * Made by the engine itself: a host is booted from the root, imports the image and is thrown away; what stays
 * is `overlay2` (the layers) and `image` (their names). The engine's id and networks are not taken along.
 */
import { createReadStream, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { labKeys } from '../backends/nspawn/keys.ts'
import { bootMachine, connectMachine } from '../backends/nspawn/machine.ts'
import { makeNetwork } from '../backends/nspawn/network.ts'
import { labPaths } from '../backends/nspawn/paths.ts'
import { ownerOf, writeRecord } from '../backends/nspawn/record.ts'
import { removeLab } from '../backends/nspawn/removal.ts'
import { hosts, imageName } from '../lab/hosts.ts'
import { LabError } from '../process/errors.ts'
import { uninterrupted } from '../process/interruption.ts'
import { run } from '../process/run.ts'
import { buildContainerImage, cached, imagePaths } from './image.ts'

export async function dockerTemplate(engine: string): Promise<void> {
  const { docker, root } = imagePaths(engine)
  if (existsSync(docker)) return
  const tar = await buildContainerImage()
  await cached(docker, async (part) => {
    const lab = `img${process.pid}`
    const name = hosts.find((host) => host.role === 'docker')?.name ?? 'net-1'
    const owner = ownerOf(process.pid)
    writeRecord({ lab, engine, engines: {}, hosts: [name], complete: false, ...(owner ? { owner } : {}) })
    try {
      await makeNetwork(lab, [name])
      const keys = labKeys(lab, [name])
      await bootMachine(lab, name, { root, docker }, keys)
      await using host = await connectMachine(lab, name, keys)
      await importImage(host, tar)
      mkdirSync(part)
      const made = join(labPaths(lab).host(name).disks, 'docker')
      await run('cp', ['-a', join(made, 'overlay2'), join(made, 'image'), part])
    } finally {
      await uninterrupted(() => removeLab(lab))
    }
  })
}

async function importImage(host: Awaited<ReturnType<typeof connectMachine>>, tar: string): Promise<void> {
  const words: Buffer[] = []
  const keep = new Writable({
    write(chunk, _, done) {
      words.push(chunk)
      done()
    },
  })
  const command = `systemctl start docker && docker import --change 'CMD ["bash"]' - ${imageName} && systemctl stop docker docker.socket && sync`
  const code = await host.pipe(command, { stdin: createReadStream(tar), stdout: keep, stderr: keep })
  if (code !== 0) throw new LabError(`docker import failed: ${Buffer.concat(words).toString().trim()}`)
}
