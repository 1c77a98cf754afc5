/**
 * The two boxes, built by Packer from the base image with the project's own templates.
 *
 * They stay in the cache until something that is in them changes: the base or the container image, the steps,
 * the templates, or the driver.
 */
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, cacheRoot, contentsOf, recipeHash } from '../../provision/images/cache.ts'
import { timeoutScale } from './machines.ts'
import type { Log } from './report.ts'
import { environment } from './sandbox.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
/** Debian's Packer cannot parse plugins.pkr.hcl, which names the plugins that newer versions download. */
const templates = ['lab.pkr.hcl', 'variables.pkr.hcl']
const recipe = [
  ...['provision/packer', 'provision/steps', 'provision/images', 'provision/package'],
  ...['driver', 'package-lock.json'],
]

export interface Boxes {
  libvirt: string
  virtualbox: string
}

export interface Ingredients {
  base: string
  container: string
  key: string
  kvm: boolean
}

/** Paths of the boxes in the cache; Packer builds them where they are missing. */
export async function builtBoxes(log: Log, work: string, ingredients: Ingredients): Promise<Boxes> {
  const contents = recipe.map((path) => contentsOf(join(project, path)))
  const hash = recipeHash([contents, ingredients.base, ingredients.container])
  const folder = join(cacheRoot, `vm-${hash}.boxes`)
  await cached(folder, async (part) => {
    await packer(log, work, ingredients)
    renameSync(join(work, 'boxes'), part)
  })
  const box = (provider: string) => join(folder, `multihost-lab-${provider}.box`)
  return { libvirt: box('libvirt'), virtualbox: box('virtualbox') }
}

async function packer(log: Log, work: string, { base, container, key, kvm }: Ingredients): Promise<void> {
  const folder = join(work, 'templates')
  mkdirSync(folder, { recursive: true })
  for (const file of templates) copyFileSync(`${project}provision/packer/${file}`, join(folder, file))
  const emulated = kvm ? {} : { accelerator: 'tcg', cpu_model: 'qemu64,+rdrand', ssh_timeout: '30m' }
  const variables = {
    qemu_image: base,
    ssh_key: key,
    output: join(work, 'boxes'),
    work: join(work, 'packer'),
    ...emulated,
  }
  const options = Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`])
  const env = { ...environment(work), ...timeoutScale(kvm), MULTIHOST_IMAGE: container }
  const packed = ['-only=qemu.lab', ...options, folder]
  await log(['packer', 'fmt', '-check', folder], env)
  await log(['env', '-C', project, 'packer', 'validate', ...packed], env)
  await log(['env', '-C', project, 'packer', 'build', '-color=false', '-timestamp-ui', ...packed], env)
}
