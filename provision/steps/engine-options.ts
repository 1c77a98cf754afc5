/**
 * The Docker engine reads /etc/default/docker, as the walkthrough documents it.
 *
 * A machine with an engine of its own keeps it running: what would keep dockerd from starting is found before
 * anything is changed, and a dockerd that does not start with the new options gets the old ones again
 * (earlier-engine.ts).
 */
import { readFileSync } from 'node:fs'
import { daemonJson } from '../../driver/membership/daemon-json.ts'
import { optionsFile, usualDns } from '../../driver/membership/options-file.ts'
import { answerWithinS } from '../../driver/protocol/answer-timeout.ts'
import { consulFor, hostsOfRole, type Lab, type LabHost } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { authorityFile, tokenFile } from './driver.ts'
import { engineFiles, keepEngine } from './earlier-engine.ts'
import { mergedOptions, mergeOptionsFile, type Options, withoutDuplicates } from './options-file.ts'
import {
  filesHold,
  type RemoteFile,
  rewriteFile,
  type Step,
  type StepContext,
  startedWith,
  succeeds,
  unitRuns,
  until,
  writeFiles,
} from './step.ts'
import { render } from './template.ts'
import { assigned } from './unit-file.ts'

/**
 * Before each start, a script removes from dockerd's options what daemon.json has too, and adds the host's
 * resolvers. The host has the driver's DNS address before the driver runs: the host then refuses Docker's
 * question at once. Without the address Docker would wait 4 s for an answer.
 */
const beforeStart: readonly RemoteFile[] = [
  {
    path: engineFiles.script,
    content: readFileSync(new URL('./templates/docker-options.sh', import.meta.url), 'utf8'),
    mode: '0755',
  },
  {
    path: engineFiles.beforeStart,
    content: `[Service]
EnvironmentFile=-/run/multihost-docker-options
ExecStartPre=-${engineFiles.script}
ExecStartPre=-/bin/sh -c "! grep -q -e --dns=${usualDns} ${optionsFile} || ip address replace ${usualDns}/32 dev lo scope host"
`,
  },
]
/** Shell: the file that dockerd had its options from. */
const readOptions = `$(ls /run/multihost-docker-options 2> /dev/null || echo ${optionsFile})`
const answers = `timeout ${10 * timeoutScale} docker version > /dev/null`

/** Before the engine and the driver, which both read it, and which the steps after this one start again. */
export const engineOptions: Step = {
  title: `options of engine and driver: ${optionsFile}`,
  async holds(context) {
    const { now, wanted } = await files(context)
    return now === wanted
  },
  async apply(context) {
    const { wanted } = await files(context)
    await checkStarts(context)
    await keepEngine(context)
    await rewriteFile(context, optionsFile, wanted)
  },
}

export const docker: Step = {
  title: `docker engine: runs with the options in ${optionsFile}`,
  async holds(context) {
    const command = await commandDropIn(context)
    return (
      (await filesHold(context, [...beforeStart, ...command])) &&
      (command.length > 0 || (await succeeds(context, `[ ! -e ${engineFiles.command} ]`))) &&
      (await succeeds(context, unitRuns('docker', answers))) &&
      succeeds(context, startedWith('docker', 'DOCKER_OPTS', readOptions))
    )
  },
  async apply(context) {
    const { $, host } = context
    const command = await commandDropIn(context)
    await keepEngine(context)
    if (command.length === 0) await $`rm -f ${engineFiles.command}`
    await writeFiles(context, [...beforeStart, ...command])
    await $`systemctl -q --no-reload enable docker; systemctl daemon-reload; systemctl restart docker`
    await until(context, answers, `dockerd on ${host.name} does not answer`)
  },
}

interface Files {
  now: string
  wanted: string
  options: Options
}

/** Throws when dockerd would not start with the options. */
async function files(context: StepContext): Promise<Files> {
  const { lab, host, secrets } = context
  const now = await textOf(context, optionsFile)
  const json = await textOf(context, daemonJson)
  const multihostOpts = driverOptions({ lab, host, secured: secrets !== undefined, timeoutScale }).join(' ')
  const dockerOpts = withoutDuplicates([`--dns=${usualDns}`, ...enginePools], json, host.name)
  const own = { dockerOpts, multihostOpts }
  const { readsOptions } = await theirUnit(context)
  return {
    now,
    wanted: mergeOptionsFile(now, own, readsOptions),
    options: mergedOptions(now, own, readsOptions),
  }
}

async function textOf({ $ }: StepContext, path: string): Promise<string> {
  return (await $`[ ! -e ${path} ] || cat ${path}`).stdout
}

/** Engines from 23 on say whether they would start, without starting: with the unit's own flags, too. */
async function checkStarts(context: StepContext): Promise<void> {
  const { $, host } = context
  if (!(await succeeds(context, 'dockerd --help 2>&1 | grep -q -- --validate'))) return
  const { options } = await files(context)
  const flags = flagsOf((await theirUnit(context)).command)
  const tried = await $`bash -c ${`dockerd ${flags} --validate ${options.dockerOpts}`}`.nothrow()
  if (tried.exitCode === 0) return
  const why = tried.stderr.trim().split('\n')[0]
  throw new LabError(
    `${host.name}: dockerd would not start with the options in ${optionsFile}: ${why}; nothing was changed`,
  )
}

/**
 * The flags of a unit's command, without variables. None where the command is another program's, or has
 * characters of the shell's.
 */
function flagsOf(command: string): string {
  const [, flags = ''] = /^[-@:+!]*\S*\bdockerd\s+(.*)$/.exec(command) ?? []
  const plain = flags.replace(/\$(?:\w+|\{\w+\})/g, '').trim()
  return /^[\w\s./:=,+@-]*$/.test(plain) ? plain : ''
}

/**
 * The walkthrough's networks have 172.21.0.0/16 and the next ones, as in 2015. Those are among the engine's
 * own, so the lab's engines have the others. A machine without these options has pools that do not meet
 * (driver/core/pools.ts).
 */
const driverPools = '--address-pools=172.21.0.0/16,172.22.0.0/15:16,172.24.0.0/13:16,172.16.0.0/16:24'
const enginePools = [
  '172.17.0.0/16,size=16',
  '172.18.0.0/15,size=16',
  '172.20.0.0/16,size=16',
  '192.168.0.0/16,size=20',
].map((pool) => `--default-address-pool=base=${pool}`)

export function driverOptions(of: {
  lab: Lab
  host: LabHost
  secured: boolean
  timeoutScale: number
}): string[] {
  const secured = [
    `--kv-store=https://${consulServers(of, 8501)}`,
    `--kv-ca-file=${authorityFile}`,
    `--kv-token-file=${tokenFile}`,
  ]
  return [
    ...(of.secured ? secured : [`--kv-store=consul://${consulServers(of, 8500)}`]),
    '--default-network=overlay:multihost',
    `--bind-interface=${of.lab.network}`,
    `--dns-listen=${usualDns}`,
    driverPools,
    ...(of.timeoutScale === 1 ? [] : [`--answer-within=${scaledAnswerS(of.timeoutScale)}`]),
  ]
}

/** All of the lab's, the host's own first: the Docker hosts are shared out among them. */
function consulServers({ lab, host }: { lab: Lab; host: LabHost }, port: number): string {
  const own = consulFor(lab, host)
  const others = hostsOfRole(lab, 'consul').filter(({ name }) => name !== own.name)
  return [own, ...others].map(({ address }) => `${address}:${port}`).join(',')
}

function scaledAnswerS(timeoutScale: number): number {
  return Math.min(answerWithinS.usual * timeoutScale, answerWithinS.most)
}

/**
 * The drop-in with the unit's own command and $DOCKER_OPTS, where that command does not have it. A person's
 * drop-in may have an ExecStart of its own, with or without the options.
 */
async function commandDropIn(context: StepContext): Promise<RemoteFile[]> {
  const { command, readsOptions } = await theirUnit(context)
  if (readsOptions) return []
  // The template has the options behind it.
  const bare = command.replace(/\s*\$(?:DOCKER_OPTS\b|\{DOCKER_OPTS\})/g, '')
  const content = render(new URL('./templates/docker-options.conf.hbs', import.meta.url), { command: bare })
  return [{ path: engineFiles.command, content }]
}

const takesOptions = /\$\{?DOCKER_OPTS\b/

/**
 * docker.service without our drop-ins. `readsOptions`: its dockerd has DOCKER_OPTS of the options file.
 * Throws where it has them from elsewhere.
 */
async function theirUnit(context: StepContext): Promise<{ command: string; readsOptions: boolean }> {
  const { $, host } = context
  const unit = (await $`systemctl cat docker`).stdout
  const ours = Object.values(engineFiles)
  const command = assigned(unit, 'ExecStart', ours).at(-1)
  if (command === undefined) throw new LabError(`${host.name}: docker.service has no ExecStart`)
  if (!takesOptions.test(command)) return { command, readsOptions: false }
  const read = assigned(unit, 'EnvironmentFile', ours).map((path) => path.replace(/^-/, ''))
  const isSet = assigned(unit, 'Environment', ours).some((it) => /(?:^|[\s"'])DOCKER_OPTS=/.test(it))
  await refuseOtherOptions(context, {
    files: read.filter((path) => path !== optionsFile),
    isSet,
    readsOptions: read.includes(optionsFile),
  })
  return { command, readsOptions: read.includes(optionsFile) }
}

/** The options file that the steps write is read last, and its DOCKER_OPTS would take the place of those. */
async function refuseOtherOptions(
  { $, host }: StepContext,
  { files, isSet, readsOptions }: { files: string[]; isSet: boolean; readsOptions: boolean },
): Promise<void> {
  const listed = files.length === 0 ? '' : (await $`grep -ls '^ *DOCKER_OPTS *=' ${files} || true`).stdout
  const [file] = listed.trim().split('\n').filter(Boolean)
  const from = file ?? (isSet ? 'Environment= of docker.service' : undefined)
  if (from === undefined) return
  throw new LabError(
    `${host.name}: dockerd has DOCKER_OPTS from ${from}, and ${optionsFile} would replace them; nothing was changed`,
    {
      hint: `move them into ${optionsFile}: DOCKER_OPTS="…"${readsOptions ? '' : `; and write EnvironmentFile=-${optionsFile} into docker.service, by systemctl edit docker`}`,
    },
  )
}
