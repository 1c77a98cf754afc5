/**
 * What the acceptance run does, in order: the images and the boxes, then the lab by libvirt, then by
 * VirtualBox.
 */
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { containerImage } from '../../provision/images/container-image.ts'
import { unknown } from '../../provision/process/errors.ts'
import { run } from '../../provision/process/run.ts'
import { baseImage } from './base-image.ts'
import { type Boxes, builtBoxes } from './box.ts'
import { libvirtParts, scenariosTitle } from './libvirt.ts'
import { project } from './machines.ts'
import { junit, type Log, ofAnEarlierPart, type Part, perform, timesTable } from './report.ts'
import { environment, kvmWorks } from './sandbox.ts'
import { virtualBoxParts, walkthroughTitle } from './virtualbox/parts.ts'

/** Resolves with the exit code. `from`: the title of the part to begin at; see `partsFrom`. */
export async function accept(work: string, from: string | undefined, filters: string[]): Promise<number> {
  const kvm = await kvmWorks()
  const chosen = partsFrom(allParts(work, kvm, filters), from)
  const minutes = Math.ceil(chosen.reduce((sum, { usualSeconds }) => sum + usualSeconds, 0) / 60)
  console.log(
    kvm
      ? `${chosen.length} parts, the machines run on KVM`
      : `${chosen.length} parts, some ${minutes} minutes on two idle cores: no KVM works here, and the machines are emulated`,
  )
  const outcomes = await perform(chosen, `${project}report/acceptance`)
  writeFileSync(`${project}report/acceptance.xml`, junit(outcomes))
  console.log(`\n${timesTable(outcomes)}`)
  const failed = outcomes.find(({ failure }) => failure !== undefined)
  if (failed === undefined) return 0
  console.log(`to go on there: npm run acceptance -- --from '${failed.title}'`)
  return [scenariosTitle, walkthroughTitle].includes(failed.title) ? 1 : 2
}

/**
 * The parts from the one with this title on, and those before it that prepare what they need: images and
 * boxes come from the cache then, and the machines of the same provider are brought up again.
 */
export function partsFrom(parts: readonly Part[], title: string | undefined): Part[] {
  if (title === undefined) return [...parts]
  const start = parts.findIndex((part) => part.title === title)
  if (start < 0) {
    const titles = parts.map((part) => part.title)
    throw unknown('part', title, titles)
  }
  const provider = parts[start]?.title.split(':')[0]
  const needed = parts.slice(0, start).filter(({ prepares }) => prepares === 'all' || prepares === provider)
  return [...needed, ...parts.slice(start)]
}

function allParts(work: string, kvm: boolean, filters: string[]): Part[] {
  const made = { base: '', container: '', key: '' }
  const boxes = ofAnEarlierPart<Boxes>('packer build')
  return [
    {
      title: 'base image',
      prepares: 'all',
      usualSeconds: 105,
      run: async (log) => {
        made.key = await vagrantKey(log, work)
        made.base = await baseImage(work, (await run('ssh-keygen', ['-y', '-f', made.key])).trim())
      },
    },
    {
      title: 'container image',
      prepares: 'all',
      usualSeconds: 30,
      run: async () => {
        made.container = await containerImage()
      },
    },
    {
      title: 'packer build',
      prepares: 'all',
      usualSeconds: 150,
      run: async (log) => {
        boxes.set(await builtBoxes(log, work, { ...made, kvm }))
      },
    },
    ...libvirtParts(work, kvm, filters, boxes.get),
    ...virtualBoxParts(work, kvm, filters, boxes.get),
  ]
}

/** The key that boxes let in, which Vagrant writes into its folder at its first command. */
async function vagrantKey(log: Log, work: string): Promise<string> {
  const env = environment(work)
  await log(['vagrant', 'box', 'list'], { ...env, VAGRANT_CWD: work })
  const key = join(work, 'key')
  copyFileSync(join(env.VAGRANT_HOME ?? '', 'insecure_private_key'), key)
  await run('chmod', ['0600', key])
  return key
}
