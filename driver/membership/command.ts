/**
 * The words of `multihost doctor`, `join` and `leave`, and what they print.
 */
import { access } from 'node:fs/promises'
import { join as joinPath } from 'node:path'
import { showHosts } from '../cli/show.ts'
import { ask } from '../control/client.ts'
import type { Status, WaitingStatus } from '../control/status.ts'
import { DriverError } from '../core/errors.ts'
import { optionWords, parseDaemonOptions, parseOpenOptions } from '../daemon/options.ts'
import { storeFindings } from './check-store.ts'
import { findingsOf, gather, storeOf } from './doctor.ts'
import { asked } from './facts.ts'
import { type Finding, isMissing, showFindings } from './finding.ts'
import { daemonJson, dockerOptions, dockerOptionsIn } from './gather-machine.ts'
import { type JoinParts, join, ownDns } from './join.ts'
import { leave } from './leave.ts'
import { optionsFile, wordsIn } from './options-file.ts'
import {
  attachedContainers,
  removeFromDocker,
  removeFromKernel,
  removeFromStore,
  removeRunFiles,
  removeState,
} from './removal.ts'
import { type Self, selfOf, type Wanted, wantedBy } from './settings.ts'
import { replaceFile, systemdUnit, textOf } from './unit.ts'

type Print = (text: string) => void

/** The exit code. */
export async function membership(
  command: 'doctor' | 'join' | 'leave',
  args: string[],
  print: Print,
): Promise<number> {
  if (command === 'doctor') return doctor(args, print)
  if (process.getuid?.() !== 0)
    throw new DriverError('unavailable', `multihost ${command} changes this machine`, {
      hint: 'run it as root',
    })
  return command === 'join' ? joinCommand(args, print) : leaveCommand(args, print)
}

/** 0: nothing is missing. 1: something is. */
async function doctor(words: string[], print: Print): Promise<number> {
  const args = words.filter((word) => word !== '--json')
  const configured = wordsIn(await textOf(optionsFile), 'MULTIHOST_OPTS') ?? []
  const given =
    args[0]?.startsWith('-') === false
      ? [`--kv-store=${args[0]}`, ...args.slice(1)]
      : [...configured, ...args]
  const findings = findingsOf(await gather(parseOpenOptions(given)))
  print(args.length < words.length ? JSON.stringify(findings, null, 2) : showFindings(findings))
  return findings.some(isMissing) ? 1 : 0
}

async function joinCommand([store, ...args]: string[], print: Print): Promise<number> {
  if (store === undefined || store.startsWith('-')) {
    throw new DriverError('invalid', 'multihost join takes the store as its first word', {
      hint: 'write it like: multihost join consul://192.168.33.10:8500 --bind-interface=eth1',
    })
  }
  const wanted = wantedBy(store, args)
  const joined = await join(joinParts(wanted))
  if (joined.is === 'already') {
    print('this host is a member already: nothing was changed')
    return 0
  }
  if (joined.is === 'refused') {
    print(showFindings(joined.findings.filter(isMissing)))
    throw new DriverError('unavailable', 'this host cannot join yet: nothing was changed', {
      hint: "see all checks with 'multihost doctor'",
    })
  }
  const { host, hosts } = joined.status
  print(`this host is a member: ${host}`)
  print(showHosts(hosts))
  const after = findingsOf(await gather(wanted.options)).filter(({ check }) => check === 'tunnels')
  print(showFindings(after))
  return 0
}

function joinParts(wanted: Wanted): JoinParts {
  const { options } = wanted
  return {
    wanted,
    unit: systemdUnit,
    readOptions: () => textOf(optionsFile),
    writeOptions: (text) => replaceFile(optionsFile, text),
    hasName: () => isThere(joinPath(options.stateDir, 'host.json')),
    mayNameDns: async () => dockerOptionsIn(await textOf(daemonJson), []).dns.length === 0,
    examine: async (): Promise<Finding[]> => findingsOf(await gather(options)),
    status: () => ask<Status | WaitingStatus>(options.controlSocket, 'GET', '/status'),
    async withdraw(keepState) {
      const { identity } = await selfOf(options)
      await removeFromDocker(options, [])
      await removeFromKernel(options)
      if (identity !== undefined) await asked(() => removeFromStore(options, identity))
      if (!keepState) await removeState(options)
      await removeRunFiles(options)
    },
  }
}

async function leaveCommand(args: string[], print: Print): Promise<number> {
  const others = args.filter((word) => word !== '--force')
  if (others.length > 0) {
    throw new DriverError('invalid', `multihost leave takes --force alone, not '${others.join(' ')}'`)
  }
  const configured = wordsIn(await textOf(optionsFile), 'MULTIHOST_OPTS')
  if (configured === undefined) {
    print('this host is a member of no cluster: nothing was changed')
    return 0
  }
  const words = optionWords(configured)
  const wanted: Wanted = { words, options: parseDaemonOptions(words) }
  const sentences = await leave(leaveParts(wanted, await selfOf(wanted.options), args.includes('--force')))
  print(sentences.join('\n'))
  return 0
}

function leaveParts(wanted: Wanted, { identity }: Self, force: boolean): Parameters<typeof leave>[0] {
  const { options } = wanted
  const dns = ownDns(wanted)
  return {
    unit: systemdUnit,
    force,
    readOptions: () => textOf(optionsFile),
    writeOptions: (text) => replaceFile(optionsFile, text),
    dns,
    dockerAsksDriver: async () => dns !== undefined && (await dockerOptions()).dns.includes(dns),
    name: identity?.name,
    attached: () => asked(() => attachedContainers(options)),
    storeFailure: () => storeFailure(options),
    fromDocker: (attached) => removeFromDocker(options, attached),
    fromKernel: () => removeFromKernel(options),
    fromStore: async () => identity && removeFromStore(options, identity),
    state: () => removeState(options),
    runFiles: () => removeRunFiles(options),
  }
}

/** The first thing that is missing of the store itself. */
async function storeFailure(options: Wanted['options']): Promise<string | undefined> {
  const store = await storeOf(options, options.kvStore)
  const wrong = storeFindings({ store, underlay: { failed: '' } }).find(
    ({ check, state }) => /^(store|cluster|token)$/.test(check) && state !== 'ok',
  )
  return wrong?.says
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
