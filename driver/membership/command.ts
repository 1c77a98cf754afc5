/**
 * The words of `multihost doctor`, `init`, `join` and `leave`, and what they print.
 */
import { join as joinPath } from 'node:path'
import { showHosts } from '../cli/show.ts'
import { ask } from '../control/client.ts'
import type { Status, WaitingStatus } from '../control/status.ts'
import { asDriverError, DriverError } from '../core/errors.ts'
import { type HostIdentity, readIdentity } from '../daemon/host-identity.ts'
import { type OpenOptions, optionWords, packageOptionsFile, parseOpenOptions } from '../daemon/options.ts'
import { optionsAreGone } from '../daemon/options-are-gone.ts'
import { readCluster } from '../store/incarnation.ts'
import { tunnels } from './check-machine.ts'
import { storeFindings, wrongName } from './check-store.ts'
import { daemonJson } from './daemon-json.ts'
import { findingsOf, gather, storeOf, tunnelFacts } from './doctor.ts'
import { asked, foundIn } from './facts.ts'
import { type Finding, isMissing, showFindings } from './finding.ts'
import { dockerOptions, dockerOptionsIn } from './gather-machine.ts'
import {
  checkBegin,
  consulProgram,
  defaultInterface,
  furtherHosts,
  joinWords,
  parseInitWords,
  placeAt,
  startServer,
  tokenFor,
} from './init.ts'
import { type JoinParts, join, ownDns } from './join.ts'
import { type LeaveParts, leave } from './leave.ts'
import { oldServersApart } from './old-store.ts'
import { optionsFile, withoutDriver } from './options-file.ts'
import {
  attachedContainers,
  hasLeftovers,
  heldElsewhere,
  removeFromDocker,
  removeFromKernel,
  removeFromStore,
  removeRunFiles,
  removeState,
} from './removal.ts'
import { selfOf, storeIn, type Wanted, wantedBy } from './settings.ts'
import { isThere, replaceFile, systemdUnit, textOf, unitProperties } from './unit.ts'
import { optionProperties, type UnitOptions, unitOptions } from './unit-options.ts'

type Print = (text: string) => void

/** The exit code. */
export async function membership(
  command: 'doctor' | 'init' | 'join' | 'leave',
  args: string[],
  print: Print,
): Promise<number> {
  if (command === 'doctor') return doctor(args, print)
  if (process.getuid?.() !== 0)
    throw new DriverError('unavailable', `multihost ${command} changes this machine`, {
      hint: 'run it as root',
    })
  const commands = { init: initCommand, join: joinCommand, leave: leaveCommand }
  return commands[command](args, print)
}

/** 0: nothing is missing. 1: something is. */
async function doctor(words: string[], print: Print): Promise<number> {
  const args = words.filter((word) => word !== '--json')
  const configured = (await configuredOptions())?.words ?? []
  const given =
    args[0]?.startsWith('-') === false
      ? [`--kv-store=${args[0]}`, ...args.slice(1)]
      : [...configured, ...args]
  const options = parseOpenOptions(given)
  const gone = await optionsAreGone(options)
  const optionsGone = gone && { failed: gone.message, hint: gone.hint }
  const findings = findingsOf({ ...(await gather(options)), optionsGone })
  print(args.length < words.length ? JSON.stringify(findings, null, 2) : showFindings(findings))
  return findings.some(isMissing) ? 1 : 0
}

/** Where this host is a member of the cluster whose Consul it runs, the steps are taken again. */
async function initCommand(args: string[], print: Print): Promise<number> {
  const { consulFrom, bindInterface, tokenFor: host, others } = parseInitWords(args)
  if (host !== undefined) {
    print(await tokenFor(host))
    return 0
  }
  const device = bindInterface ?? (await defaultInterface())
  const own = [`--bind-interface=${device}`, ...others]
  const options = parseOpenOptions(own)
  const facts = await gather(options)
  // The checks of the store have the name's too, and there is no store yet.
  const lacks = [...findingsOf(facts), ...wrongName((await selfOf(options)).name)].filter(isMissing)
  if (!('found' in facts.underlay) || lacks.length > 0) {
    print(showFindings(lacks))
    throw new DriverError('unavailable', 'this host cannot begin a cluster yet: nothing was changed', {
      hint: "see all checks with 'multihost doctor'",
    })
  }
  const place = placeAt(facts.underlay.found)
  const [store = '', ...files] = joinWords(place)
  const before = (await configuredOptions())?.words ?? []
  const runsConsul = await isThere(joinPath(place.folder, 'management-token'))
  const gone = storeIn(before) === undefined && !runsConsul ? await optionsAreGone(options) : undefined
  if (gone !== undefined) throw gone
  checkBegin(before, [`--kv-store=${store}`, ...files, ...own], runsConsul)
  const consul = await consulProgram(consulFrom)
  const server = { ...place, program: consul.path }
  await startServer(server, consulFrom)
  print(`Consul ${consul.version} leads`)
  await joinCommand([store, ...files, ...own], print).catch((error: unknown) => {
    const { code, message, hint } = asDriverError(error)
    throw new DriverError(code, `Consul runs on this host, and this host has not joined: ${message}`, {
      hint,
      cause: error,
    })
  })
  print(`\n${furtherHosts(server)}`)
  return 0
}

async function joinCommand([store, ...args]: string[], print: Print): Promise<number> {
  if (store === undefined || store.startsWith('-')) {
    throw new DriverError('invalid', 'multihost join takes the store as its first word', {
      hint: 'write it like: multihost join consul://192.168.33.10:8500 --bind-interface=eth1',
    })
  }
  const wanted = wantedBy(store, args)
  const { from = optionsFile } = (await configuredOptions()) ?? {}
  if (from !== optionsFile) {
    throw new DriverError('taken', `the driver takes its options from ${from}`, {
      hint: 'remove them there and repeat it, or start the driver with them: systemctl enable --now multihost',
    })
  }
  const joined = await join(joinParts(wanted, print))
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
  print(showFindings(tunnels({ tunnels: await tunnelFacts(wanted.options), store: undefined })))
  return 0
}

function joinParts(wanted: Wanted, print: Print): JoinParts {
  const { options } = wanted
  return {
    wanted,
    unit: systemdUnit,
    readOptions: () => textOf(optionsFile),
    writeOptions: (text) => replaceFile(optionsFile, text),
    hasName: () => isThere(joinPath(options.stateDir, 'host.json')),
    mayNameDns: async () => dockerOptionsIn(await textOf(daemonJson), []).dns.length === 0,
    async isOwnStore() {
      const { cluster, ownCluster } = await storeOf(options, options.kvStore)
      return ownCluster !== undefined && readCluster(foundIn(cluster) ?? '')?.id === ownCluster
    },
    async oldServersApart(before) {
      const { apart, untold } = await oldServersApart(storeIn(before) ?? options.kvStore, options)
      if (untold.length > 0)
        print(`whether another Consul answers on the old address cannot be told: ${untold.join('; ')}`)
      return apart
    },
    examine: async (): Promise<Finding[]> => findingsOf(await gather(options)),
    status: () => ask<Status | WaitingStatus>(options.controlSocket, 'GET', '/status'),
    async withdraw() {
      const identity = await readIdentity(options.stateDir)
      const { refused: stays } = await removeFromDocker(options, [])
      await removeFromKernel(options)
      const removed =
        identity === undefined ? undefined : await asked(() => removeFromStore(options, identity))
      await removeState(options)
      await removeRunFiles(options)
      if (removed !== undefined && 'failed' in removed)
        stays.push(`its records stay in the store (${removed.failed}): multihost host rm ${identity?.name}`)
      return stays.length === 0 ? undefined : `everything else is as before; ${stays.join('; ')}`
    },
  }
}

async function leaveCommand(args: string[], print: Print): Promise<number> {
  const unknown = args.filter((word) => word !== '--force')
  if (unknown.length > 0) {
    throw new DriverError('invalid', `multihost leave takes --force alone, not '${unknown.join(' ')}'`)
  }
  const force = args.includes('--force')
  const { words = [], from = optionsFile } = (await configuredOptions()) ?? {}
  const options = parseOpenOptions(optionWords(words))
  const identity = await readIdentity(options.stateDir)
  if (options.kvStore === undefined) {
    if (identity === undefined && !(await hasLeftovers(options))) {
      print('this host is a member of no cluster: nothing was changed')
      return 0
    }
    const gone = await optionsAreGone(options)
    if (gone !== undefined && !force) throw gone
  }
  const sentences = await leave(leaveParts(options, identity, force))
  const own = await textOf(packageOptionsFile)
  const others = withoutDriver(own)
  if (others !== own) await replaceFile(packageOptionsFile, others)
  const stay = [optionsFile, packageOptionsFile].includes(from) ? [] : [`its options stay: ${from}`]
  print([...sentences, ...stay].join('\n'))
  return 0
}

/** Without systemd the options are those of the usual files. */
async function configuredOptions(): Promise<UnitOptions | undefined> {
  return unitOptions(await unitProperties(optionProperties).catch(() => ({})), textOf)
}

function leaveParts(options: OpenOptions, identity: HostIdentity | undefined, force: boolean): LeaveParts {
  const { kvStore } = options
  const dns = ownDns(options)
  return {
    unit: systemdUnit,
    force,
    readOptions: () => textOf(optionsFile),
    writeOptions: (text) => replaceFile(optionsFile, text),
    dns,
    async dockerAsksDriver() {
      const found = dns === undefined ? undefined : foundIn(await asked(dockerOptions))
      return found?.dns.some((each) => each === dns) === true
    },
    name: identity?.name,
    attached: () => asked(() => attachedContainers(options)),
    storeFailure: async () =>
      kvStore === undefined ? 'its options are gone' : storeFailure({ ...options, kvStore }),
    fromDocker: (attached) => removeFromDocker(options, attached),
    fromKernel: () => removeFromKernel(options),
    fromStore: async () =>
      identity && kvStore !== undefined ? removeFromStore({ ...options, kvStore }, identity) : undefined,
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
  if (wrong !== undefined) return wrong.says
  const { name, id, holder } = store.name
  const found = foundIn(holder)
  const isOthers = found?.id !== undefined && found.id !== id
  return found === undefined || isOthers ? undefined : heldElsewhere(name, found)
}
