/**
 * The lab as systemd-nspawn hosts on this machine.
 */
import { existsSync } from 'node:fs'
import { dockerTemplate } from '../../images/docker-template.ts'
import { buildImages, checkEngine, defaultEngine, imagePaths } from '../../images/image.ts'
import { install, nspawnNeeds } from '../../images/packages.ts'
import { hosts } from '../../lab/hosts.ts'
import { secretsIn } from '../../lab/secrets.ts'
import { LabError } from '../../process/errors.ts'
import { checkInterrupted, uninterrupted } from '../../process/interruption.ts'
import { requireRoot } from '../../process/root.ts'
import type { Backend } from '../backend.ts'
import { nspawnFaults } from './faults/network.ts'
import { labKeys } from './keys.ts'
import {
  bootMachine,
  connectMachine,
  machineState,
  removeMachine,
  startMachine,
  stopMachine,
} from './machine.ts'
import { loadModules } from './modules.ts'
import { makeNetwork } from './network.ts'
import { labPaths } from './paths.ts'
import {
  createRecord,
  type LabRecord,
  ownerOf,
  ownership,
  readRecord,
  recordedLabs,
  writeRecord,
} from './record.ts'
import { removeAbandonedBuilds, removeLab } from './removal.ts'

export interface NspawnOptions {
  lab: string
  /** Engine of all hosts, and of single ones that differ. */
  engine?: string
  engines?: Record<string, string>
  /** Consul with ACLs and TLS. A lab that was made so stays so. */
  secure?: boolean
}

const names = hosts.map((host) => host.name)

export function nspawnBackend({ lab, engine, engines = {}, secure = false }: NspawnOptions): Backend {
  for (const each of [engine ?? defaultEngine, ...Object.values(engines)]) checkEngine(each)
  const engineOf = (name: string) => {
    const record = readRecord(lab)
    return record?.engines[name] ?? record?.engine ?? defaultEngine
  }
  const wanted = () => [...new Set(names.map(engineOf))]
  const asked = (name: string) => engines[name] ?? engine
  let claimed: 'made' | 'joined' | undefined

  return {
    name: 'nspawn',
    fresh: true,
    outOfBand: true,
    prepare: () => [
      {
        title: 'packages',
        run: async (say) => {
          requireRoot('nspawn hosts')
          await install(nspawnNeeds, say)
        },
      },
      { title: 'kernel modules', run: loadModules },
      {
        title: 'claim the lab',
        run: async () => {
          await removeAbandonedBuilds()
          const fresh = { lab, engine: engine ?? defaultEngine, engines, hosts: names, complete: false }
          claimed = await claim(fresh, asked)
        },
      },
      {
        title: 'images',
        parts: [
          {
            title: 'Debian roots and container image',
            run: async () => buildImages(wanted()),
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
    async abandon() {
      if (claimed === 'made') return uninterrupted(() => removeLab(lab))
      if (claimed === 'joined') release(lab)
    },
    async down() {
      requireRoot('nspawn hosts')
      refuseOthers(lab)
      const there = readRecord(lab) !== undefined
      await uninterrupted(() => removeLab(lab))
      return there
    },
    async states() {
      requireRoot('nspawn hosts')
      return new Map(names.map((name) => [name, machineState(lab, name)]))
    },
    async connect(host) {
      requireRoot('nspawn hosts')
      existing(lab)
      if (machineState(lab, host.name) === 'absent') {
        throw new LabError(`${host.name} is not running`, { hint: `npm run lab -- up${flag(lab)}` })
      }
      return connectMachine(lab, host.name, labKeys(lab, names))
    },
    get secure() {
      return secure || existsSync(labPaths(lab).secrets)
    },
    async secrets() {
      return this.secure ? secretsIn(labPaths(lab).secrets, hosts) : undefined
    },
    faults: nspawnFaults(lab, names),
    power: {
      off: (host) => stopMachine(lab, host.name),
      on: (host) => startMachine(lab, host.name, labKeys(lab, names)),
    },
  }
}

/**
 * Says whose the lab is before anything of it is made; leftovers of a dead runner go first. `joined`: it is
 * whole already.
 */
async function claim(
  wanted: LabRecord,
  asked: (name: string) => string | undefined,
): Promise<'made' | 'joined'> {
  const record = readRecord(wanted.lab)
  const owner = ownerOf(process.pid)
  const mine = owner ? { owner } : {}
  refuseOthers(wanted.lab)
  if (!record || ownership(record) === 'dead' || !record.complete) {
    if (record) await removeLab(wanted.lab)
    if (createRecord({ ...wanted, ...mine })) return 'made'
    throw inUse(wanted.lab, 'another process')
  }
  const differs = names.filter((name) => (asked(name) ?? engineIn(record, name)) !== engineIn(record, name))
  const first = differs[0]
  if (first !== undefined) {
    throw new LabError(
      `lab ${wanted.lab} is up with engine ${engineIn(record, first)} on ${differs.join(', ')}, not ${asked(first)}`,
      { hint: `take it down first: npm run lab -- down${flag(wanted.lab)}` },
    )
  }
  writeRecord({ ...record, ...mine })
  return 'joined'
}

/** Nobody's again, so that whoever comes next does not take it for a dead runner's. */
function release(lab: string): void {
  const { owner: _, ...rest } = existing(lab)
  writeRecord(rest)
}

function refuseOthers(lab: string): void {
  const record = readRecord(lab)
  if (!record || ownership(record) !== 'theirs') return
  throw inUse(lab, `process ${record.owner?.pid}`)
}

function inUse(lab: string, by: string): LabError {
  return new LabError(`lab ${lab} is in use by ${by}`, {
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

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await work(item)
}

function flag(lab: string): string {
  return lab === 'main' ? '' : ` --lab ${lab}`
}
