/**
 * The lab as systemd-nspawn hosts on this machine.
 */
import { existsSync } from 'node:fs'
import type { Backend } from '../backend.ts'
import { install, nspawnNeeds } from '../debian.ts'
import { LabError } from '../errors.ts'
import { hosts } from '../hosts.ts'
import { dockerTemplate } from './docker-template.ts'
import {
  buildContainerImage,
  buildRoot,
  cachedImage,
  checkEngine,
  defaultEngine,
  imagePaths,
} from './image.ts'
import { labKeys } from './keys.ts'
import { bootMachine, connectMachine, machineState, removeMachine } from './machine.ts'
import { makeNetwork } from './network.ts'
import { labPaths } from './paths.ts'
import { type LabRecord, ownerOf, ownership, readRecord, recordedLabs, writeRecord } from './record.ts'
import { removeLab } from './removal.ts'
import { checkInterrupted, uninterrupted } from './run.ts'

export interface NspawnOptions {
  lab: string
  /** Engine of all hosts, and of single ones that differ. */
  engine?: string
  engines?: Record<string, string>
}

const names = hosts.map((host) => host.name)

export function nspawnBackend({ lab, engine, engines = {} }: NspawnOptions): Backend {
  for (const each of [engine ?? defaultEngine, ...Object.values(engines)]) checkEngine(each)
  const engineOf = (name: string) => {
    const record = readRecord(lab)
    return record?.engines[name] ?? record?.engine ?? defaultEngine
  }
  const wanted = () => [...new Set(names.map(engineOf))]

  return {
    prepare: () => [
      { title: 'packages', run: async (say) => install(nspawnNeeds, say) },
      {
        title: 'claim the lab',
        run: async () =>
          claim(
            { lab, engine: engine ?? defaultEngine, engines, hosts: names, complete: false },
            engine !== undefined,
          ),
      },
      {
        title: 'images',
        parts: [
          {
            title: 'Debian roots and container image',
            run: async () => {
              await Promise.all([
                ...wanted().map(buildRoot),
                needsContainerImage(wanted()) ? buildContainerImage() : undefined,
              ])
            },
          },
          { title: 'Docker data', run: async () => each(wanted(), dockerTemplate) },
        ],
      },
      { title: 'network', run: async () => makeNetwork(lab, names) },
    ],
    async boot(host) {
      const state = machineState(lab, host.name)
      if (state === 'running') return
      checkInterrupted()
      if (state === 'broken' || existsSync(labPaths(lab).host(host.name).disks))
        await removeMachine(lab, host.name)
      await bootMachine(lab, host.name, imagePaths(engineOf(host.name)), labKeys(lab, names))
    },
    complete(stays) {
      const { owner, ...record } = existing(lab)
      writeRecord({ ...record, complete: true, ...(stays || !owner ? {} : { owner }) })
    },
    down: () => {
      refuseOthers(lab)
      return uninterrupted(() => removeLab(lab))
    },
    exists: () => readRecord(lab) !== undefined,
    state: (host) => machineState(lab, host.name),
    connect(host) {
      existing(lab)
      if (machineState(lab, host.name) === 'absent') {
        throw new LabError(`${host.name} is not running`, { hint: `npm run lab -- up${flag(lab)}` })
      }
      return connectMachine(lab, host.name, labKeys(lab, names))
    },
  }
}

/** Says whose the lab is before anything of it is made; leftovers of a dead runner go first. */
async function claim(wanted: LabRecord, engineAsked: boolean): Promise<void> {
  const record = readRecord(wanted.lab)
  const owner = ownerOf(process.pid)
  const mine = owner ? { owner } : {}
  if (!record) return writeRecord({ ...wanted, ...mine })
  refuseOthers(wanted.lab)
  if (ownership(record) === 'dead' || !record.complete) {
    await removeLab(wanted.lab)
    return writeRecord({ ...wanted, ...mine })
  }
  const differs = names.filter((name) => engineIn(record, name) !== engineIn(wanted, name))
  if (engineAsked && differs.length > 0) {
    throw new LabError(
      `lab ${wanted.lab} is up with engine ${engineIn(record, differs[0] ?? '')} on ${differs.join(', ')}, not ${engineIn(wanted, differs[0] ?? '')}`,
      { hint: `take it down first: npm run lab -- down${flag(wanted.lab)}` },
    )
  }
  writeRecord({ ...record, ...mine })
}

function refuseOthers(lab: string): void {
  const record = readRecord(lab)
  if (!record || ownership(record) !== 'theirs') return
  throw new LabError(`lab ${lab} is in use by process ${record.owner?.pid}`, {
    hint: 'wait for it or end it, or give yours another name: --lab NAME',
  })
}

function engineIn(record: LabRecord, name: string): string {
  return record.engines[name] ?? record.engine
}

function existing(lab: string): LabRecord {
  const record = readRecord(lab)
  if (record) return record
  const others = recordedLabs()
  const hint = others.length > 0 ? `labs that are: ${others.join(', ')}` : `npm run lab -- up${flag(lab)}`
  throw new LabError(`lab ${lab} is not up`, { hint })
}

function needsContainerImage(engines: string[]): boolean {
  return engines.some((engine) => !cachedImage(engine))
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await work(item)
}

function flag(lab: string): string {
  return lab === 'main' ? '' : ` --lab ${lab}`
}
