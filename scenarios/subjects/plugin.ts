/**
 * A plugin as a subject: an executable file that is copied to every Docker host, started there as a service,
 * and listens on the unix socket that its environment names (docs/own-driver.md).
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import { consulFor, hostsOfRole } from '../../provision/lab/definition.ts'
import { LabError, unknown } from '../../provision/process/errors.ts'
import {
  filesHold,
  type Step,
  type StepContext,
  succeeds,
  unitRuns,
  until,
  writeFiles,
} from '../../provision/steps/step.ts'
import type { Host } from '../kit/host.ts'
import type { Subject } from '../kit/subject.ts'
import { together } from '../kit/together.ts'
import { startOurs, stopOurs } from './stop-ours.ts'

export interface Plugin {
  name: string
  /** Absolute path of the program. */
  path: string
}

/** Names of the engine's own drivers, and of ours. */
const taken = ['bridge', 'host', 'ipvlan', 'macvlan', 'none', 'null', 'overlay', 'default', 'swarm', 'vxlan']

/** The plugin that `--driver PATH[:NAME]` names. Throws a LabError that says what to do. */
export function pluginNamed(word: string): Plugin {
  const [, given = '', as] = /^(.*?)(?::([^/]*))?$/.exec(word) ?? []
  const path = resolve(given)
  if (!existsSync(path)) {
    if (!given.includes('/')) throw unknown('driver', word, ['swarm', 'PATH[:NAME] of a plugin'])
    throw new LabError(`--driver ${word}: there is no file ${path}`)
  }
  if (!statSync(path).isFile()) throw new LabError(`--driver ${word}: ${path} is not a file`)
  if (!executable(path)) {
    throw new LabError(`--driver ${word}: ${path} is not executable`, { hint: `chmod +x ${path}` })
  }
  const name = as ?? basename(path, extname(path))
  const hint = `give it another name: --driver ${given}:NAME`
  if (!/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(name)) {
    const allowed = 'lower-case letters, digits, "_", "." and "-"'
    throw new LabError(`"${name}" cannot name a driver: ${allowed}`, { hint })
  }
  if (taken.includes(name)) throw new LabError(`the name ${name} is taken: ${taken.join(', ')} are`, { hint })
  return { path, name }
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const unit = 'multihost-other-driver'
const unitPath = `/etc/systemd/system/${unit}.service`
const program = '/usr/local/lib/multihost-other-driver'
const startsWithinMs = 10_000

export function plugin({ path, name }: Plugin): Subject {
  const socket = `/run/docker/plugins/${name}.sock`
  const ask = `curl -sf --max-time 5 --unix-socket ${socket} -d '' http://plugin/Plugin.Activate`
  const answers = `${ask} > /dev/null`
  return {
    name,
    role: 'docker',
    mustPass: true,
    steps: [started(name, path, socket, answers)],
    async enter(machines) {
      await stopOurs(machines)
      const roles = await together(machines.map(({ host }) => rolesOf(host, name, ask)))
      const ipam = roles.every((each) => each.includes('IpamDriver')) ? ['--ipam-driver', name] : []
      return { create: ['-d', name, ...ipam] }
    },
    async leave(machines) {
      const off = `systemctl -q disable --now ${unit}; rm -f ${unitPath} ${program}`
      await together(machines.map(({ host }) => host.run`sh -c ${off}`))
      await startOurs(machines)
    },
    create: ['-d', name],
    spreads: 'perhaps',
    unit,
    answers: `docker version > /dev/null && ${answers}`,
    settled: answers,
    evidence: { 'driver log': `journalctl -u ${unit} --no-pager -n 300 -o short-precise` },
    inSnapshot: name,
    lacks: { VXLAN: 'its frames may have another form' },
  }
}

/**
 * The plugin runs, and is started again when the host is. Throws a LabError with its log when it does not
 * answer in time.
 */
function started(name: string, path: string, socket: string, answers: string): Step {
  const files = (context: StepContext) => [
    { path: program, content: readFileSync(path), mode: '0755' },
    { path: unitPath, content: unitFile(name, socket, context) },
  ]
  return {
    title: `plugin ${name}`,
    holds: async (context) =>
      (await filesHold(context, files(context))) && succeeds(context, unitRuns(unit, answers)),
    async apply(context) {
      const { $, host } = context
      await writeFiles(context, files(context))
      await $`systemctl daemon-reload; systemctl -q enable ${unit}; systemctl restart ${unit}`
      // The wait ends at once when the plugin's process has ended.
      await until(context, `${answers} || ! systemctl -q is-active ${unit}`, name, startsWithinMs).catch(
        () => undefined,
      )
      if (await succeeds(context, answers)) return
      const log = await $`journalctl -u ${unit} -n 20 --no-pager -o cat`
      const seconds = startsWithinMs / 1000
      throw new LabError(
        `${name} does not answer on ${socket} of ${host.name} within ${seconds} s; its log:\n${log.stdout}`,
      )
    },
  }
}

/** Before the engine: an engine that starts asks the drivers of its networks. */
function unitFile(name: string, socket: string, { lab, host }: StepContext): string {
  const peers = hostsOfRole(lab, 'docker').filter((each) => each.name !== host.name)
  const environment = {
    PLUGIN_NAME: name,
    PLUGIN_SOCKET: socket,
    HOST_ADDRESS: host.address,
    PEER_ADDRESSES: peers.map(({ address }) => address).join(' '),
    CONSUL_HTTP_ADDR: `${consulFor(lab, host).address}:8500`,
  }
  return `[Unit]
Before=docker.service
[Service]
ExecStartPre=/bin/mkdir -p ${dirname(socket)}
ExecStart=${program}
${Object.entries(environment)
  .map(([key, value]) => `Environment="${key}=${value}"`)
  .join('\n')}
[Install]
WantedBy=multi-user.target
`
}

/** The interfaces that the plugin says it implements. */
async function rolesOf(host: Host, name: string, ask: string): Promise<string[]> {
  const text = await host.succeed`sh -c ${ask}`
  const { Implements = [] }: { Implements?: string[] } = JSON.parse(text)
  if (Implements.includes('NetworkDriver')) return Implements
  throw new LabError(`${name} on ${host.name} is not a network driver: Plugin.Activate answered ${text}`)
}
