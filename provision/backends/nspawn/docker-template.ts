/**
 * Docker's data folder with the walkthrough's image in it, so that a new host imports nothing.
 *
 * The engine itself makes it: a host is booted from the root, imports the image and is removed; `overlay2`
 * (the layers) and `image` (their names) are kept. The engine's id and networks are not.
 */
import { createReadStream, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { cached } from '../../images/cache.ts'
import { containerImage } from '../../images/container-image.ts'
import { imagePaths } from '../../images/host-image.ts'
import { generateLab, imageName } from '../../lab/definition.ts'
import { LabError } from '../../process/errors.ts'
import { uninterrupted } from '../../process/interruption.ts'
import { run } from '../../process/run.ts'
import { undoAfter } from '../../process/undo-after.ts'
import type { Connection } from '../../ssh/connection.ts'
import { labKeys } from './keys.ts'
import { bootMachine, connectMachine } from './machine.ts'
import { makeNetwork } from './network.ts'
import { diskRoot, labPaths } from './paths.ts'
import { ownerOf, writeRecord } from './record.ts'
import { removeLab } from './removal.ts'

export async function dockerTemplate(engine: string): Promise<void> {
  const { docker, root } = imagePaths(engine)
  if (existsSync(docker)) return
  const tar = await containerImage()
  await cached(docker, async (part) => {
    const [name, host] = [`img${process.pid}`, 'net-1']
    const { hosts, ...rest } = generateLab(1)
    const lab = { ...rest, hosts: hosts.filter((each) => each.name === host) }
    const owner = ownerOf(process.pid)
    writeRecord({
      lab: name,
      engine,
      engines: {},
      definition: lab,
      disks: diskRoot,
      complete: false,
      ...(owner ? { owner } : {}),
    })
    const remove = () => uninterrupted(() => removeLab(name))
    const make = async () => {
      await makeNetwork(name, lab)
      const keys = await labKeys(name, [host])
      await bootMachine({ name, lab }, host, { root, docker }, keys)
      await using connection = await connectMachine(name, host, keys)
      await importImage(connection, tar)
      mkdirSync(part)
      const data = join(labPaths(name).host(host).disks, 'docker')
      await run('cp', ['-a', join(data, 'overlay2'), join(data, 'image'), part])
    }
    await make().catch((error: unknown) => undoAfter(error, remove))
    await remove()
  })
}

async function importImage(host: Connection, tar: string): Promise<void> {
  const output: Buffer[] = []
  const collect = new Writable({
    write(chunk, _, done) {
      output.push(chunk)
      done()
    },
  })
  const command = `systemctl start docker && docker import --change 'CMD ["bash"]' - ${imageName} && systemctl stop docker docker.socket && sync`
  const code = await host.pipe(command, { stdin: createReadStream(tar), stdout: collect, stderr: collect })
  if (code !== 0) throw new LabError(`docker import failed: ${Buffer.concat(output).toString().trim()}`)
}
