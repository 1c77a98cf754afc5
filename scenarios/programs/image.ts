/**
 * The image with real programs on the lab's hosts, and docker's plugin `compose`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programsImage } from '../../provision/images/container-image.ts'
import { run } from '../../provision/process/run.ts'
import type { Host } from '../kit/host.ts'
import { sendFile } from '../kit/scenario.ts'

export const image = 'programs:13'
/** For root's own `docker` alone. */
const plugin = '/root/.docker/cli-plugins/docker-compose'
const tar = '/var/tmp/programs.tar'

/** One host after the other: each import is written to one disk. */
export async function importImage(hosts: readonly Host[]): Promise<void> {
  const from = await programsImage()
  for (const host of hosts) {
    await sendFile(host, from, tar)
    await host.succeed`docker import -c 'CMD ["bash"]' ${tar} ${image} > /dev/null; code=$?; rm ${tar}; exit $code`
  }
}

export async function removeImage(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await host.succeed`docker rmi ${image} > /dev/null`
}

export async function installCompose(hosts: readonly Host[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-compose-'))
  const path = 'usr/libexec/docker/cli-plugins/docker-compose'
  using _folder = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
  await run('tar', ['-xf', await programsImage(), '-C', folder, `./${path}`])
  for (const host of hosts) await sendFile(host, join(folder, path), plugin, '0755')
}

export async function removeCompose(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) await host.succeed`rm -f ${plugin}`
}
