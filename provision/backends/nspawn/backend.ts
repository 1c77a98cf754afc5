/**
 * The lab as systemd-nspawn hosts on this machine.
 */
import { existsSync } from 'node:fs'
import type { Work } from '../../cli/progress.ts'
import { consulBinary } from '../../images/consul.ts'
import { defaultEngine, engineOf } from '../../images/engines.ts'
import { buildImages, imagePaths } from '../../images/host-image.ts'
import type { Programs } from '../../images/programs.ts'
import { install, nspawnNeeds } from '../../images/this-machine.ts'
import { hostsOfRole, type Lab, type LabHost, namesOf, type Role } from '../../lab/definition.ts'
import { secretsIn } from '../../lab/secrets.ts'
import { LabError } from '../../process/errors.ts'
import { checkInterrupted, uninterrupted } from '../../process/interruption.ts'
import { labCommand } from '../../process/lab-command.ts'
import { requireRoot } from '../../process/root.ts'
import type { Connection } from '../../ssh/connection.ts'
import type { Backend, BackendOptions } from '../backend.ts'
import { type Asked, claim, flag, own, refuseChanges, refuseOthers, release } from './claim.ts'
import { dockerTemplate } from './docker-template.ts'
import { nspawnFaults } from './faults/network.ts'
import { type LabKeys, labKeys } from './keys.ts'
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
import { engineIn, existing, readRecord, writeRecord } from './record.ts'
import { removeAbandonedBuilds, removeLab } from './removal.ts'

interface Session {
  /** Name of the lab. */
  name: string
  asked: Asked
  secure: boolean
  /** What `claim` found; undefined before it. */
  claimed?: 'made' | 'joined'
}

export function nspawnBackend(options: BackendOptions): Backend {
  const { name } = options
  // Images and hosts have files for users besides root. A person's umask may be 077.
  process.umask(0o022)
  for (const each of [options.engine, ...Object.values(options.engines)]) checkReachable(each)
  const session: Session = { name, asked: options, secure: options.secure }
  return {
    name: 'nspawn',
    fresh: true,
    outOfBand: true,
    get lab() {
      return labOf(session)
    },
    prepare: () => preparation(session),
    boot: (host) => boot(session, host),
    engineOf: (host) => engineFor(session, host.name),
    get programs() {
      return programsOf(session)
    },
    complete(stays) {
      const { owner, ...record } = existing(name)
      writeRecord({ ...record, complete: true, ...(stays || !owner ? {} : { owner }) })
    },
    async abandon() {
      if (session.claimed === 'made') return uninterrupted(() => removeLab(name))
      if (session.claimed === 'joined') release(name)
    },
    down: () => down(name),
    refuseChanges() {
      const record = readRecord(name)
      if (record) refuseChanges(record, options)
    },
    refuseAbsent: () => void existing(name),
    refuseOthers() {
      requireRoot('nspawn hosts')
      refuseOthers(name)
    },
    own() {
      requireRoot('nspawn hosts')
      return own(name)
    },
    async states() {
      requireRoot('nspawn hosts')
      return new Map(namesOf(labOf(session)).map((host) => [host, machineState(name, host)]))
    },
    connect: (host) => connect(session, host),
    checks: async () => (await import('./doctor.ts')).nspawnChecks(labOf(session)),
    get secure() {
      return isSecure(session)
    },
    async secrets() {
      return isSecure(session) ? secretsIn(labPaths(name).secrets, labOf(session)) : undefined
    },
    faults: nspawnFaults(name, () => labOf(session)),
    power: {
      off: (host) => stopMachine(name, host.name),
      on: async (host) => startMachine(name, host.name, await keysOf(session)),
    },
  }
}

/** Images are built from Debian's mirror alone. */
function checkReachable(engine: string | undefined): void {
  if (engine === undefined || engineOf(engine).repository === undefined) return
  throw new LabError(
    `engine ${engine} is in no Debian release, and nspawn hosts are built from Debian's mirror`,
    {
      hint: '--engine-from DIR takes its programs from a folder; --backend vagrant and ssh install its packages',
    },
  )
}

/** The hosts of the lab that is up. */
function labOf({ name, asked }: Session): Lab {
  return readRecord(name)?.definition ?? asked.lab
}

function engineFor({ name, asked }: Session, host: string): string {
  const record = readRecord(name)
  return record ? engineIn(record, host) : (asked.engines[host] ?? asked.engine ?? defaultEngine)
}

function programsOf({ name, asked }: Session): Programs {
  return readRecord(name)?.programs ?? asked.programs
}

/** A lab that was made secure stays so. */
function isSecure({ name, secure }: Session): boolean {
  return secure || existsSync(labPaths(name).secrets)
}

function preparation(session: Session): Work[] {
  const engines = (hosts: readonly LabHost[]) => [
    ...new Set(hosts.map((host) => engineFor(session, host.name))),
  ]
  const ofRole = (role: Role) => hostsOfRole(labOf(session), role)
  const claimLab = async () => {
    await removeAbandonedBuilds()
    session.claimed = await claim(session.name, session.asked)
  }
  const dockerData = async () => {
    for (const engine of engines(ofRole('docker'))) await dockerTemplate(engine)
  }
  const consul = async () => {
    if (ofRole('consul').length > 0) await consulProgram(session)
  }
  return [
    {
      title: 'packages',
      run: async (say) => {
        requireRoot('nspawn hosts')
        await install(nspawnNeeds, say)
      },
    },
    { title: 'kernel modules', run: loadModules },
    { title: 'claim the lab', run: claimLab },
    {
      title: 'images',
      parts: [
        { title: 'Debian roots and container image', run: () => buildImages(engines(labOf(session).hosts)) },
        { title: 'Docker data', run: dockerData },
        { title: 'Consul', run: consul },
      ],
    },
    { title: 'network', run: () => makeNetwork(session.name, labOf(session)) },
  ]
}

async function boot(session: Session, host: LabHost): Promise<void> {
  const { name } = session
  const lab = labOf(session)
  const state = machineState(name, host.name)
  if (state === 'running') return
  checkInterrupted()
  if (state === 'broken' || existsSync(labPaths(name).host(host.name).disks))
    await removeMachine(name, host.name)
  const image = imagePaths(engineFor(session, host.name))
  const files = host.role === 'consul' ? { 'usr/bin/consul': await consulProgram(session) } : {}
  const keys = await keysOf(session)
  await bootMachine({ name, lab }, host.name, { ...image, files }, keys)
}

function keysOf(session: Session): Promise<LabKeys> {
  return labKeys(session.name, namesOf(labOf(session)))
}

async function connect(session: Session, host: LabHost): Promise<Connection> {
  const { name } = session
  requireRoot('nspawn hosts')
  existing(name)
  try {
    return await connectMachine(name, host.name, await keysOf(session))
  } catch (error) {
    // Asked after a failure: to read all of the host's cgroups takes longer than to connect.
    if (machineState(name, host.name) !== 'absent') throw error
    throw new LabError(`${host.name} is not running`, {
      hint: `${labCommand} up${flag(name)}`,
      cause: error,
    })
  }
}

async function consulProgram(session: Session): Promise<string> {
  return programsOf(session).consul ?? (await consulBinary())
}

async function down(name: string): Promise<boolean> {
  requireRoot('nspawn hosts')
  refuseOthers(name)
  const there = readRecord(name) !== undefined
  await uninterrupted(() => removeLab(name))
  return there
}
