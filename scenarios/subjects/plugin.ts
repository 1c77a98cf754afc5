/**
 * A plugin as a subject: an executable file that is copied to every Docker host, started there as a service, and
 * listens on the unix socket that its environment names (docs/own-driver.md).
 */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { LabError, unknown } from '../../provision/process/errors.ts'
import type { ConnectedHost } from '../kit/connected.ts'
import { ScenarioFailure } from '../kit/failure.ts'
import type { Host } from '../kit/host.ts'
import type { Subject } from '../kit/subject.ts'

export interface Plugin {
  name: string
  /** Absolute path of the program. */
  path: string
}

/** Names of the engine's own drivers, and of ours. */
const taken = ['bridge', 'host', 'ipvlan', 'macvlan', 'none', 'null', 'overlay', 'default', 'swarm', 'vxlan']

/** The plugin that `--driver PATH[:NAME]` names. Throws a LabError with the way to mend it. */
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
const program = '/usr/local/lib/multihost-other-driver'
const startsWithinMs = 10_000

/** Starts the plugin on the machines. Throws a LabError with its log when it does not answer within 10 s. */
export async function installPlugin(
  { path, name }: Plugin,
  machines: readonly ConnectedHost[],
): Promise<Subject> {
  const socket = `/run/docker/plugins/${name}.sock`
  const content = readFileSync(path)
  const addresses = machines.map(({ host }) => host.address)
  const roles: string[][] = []
  for (const { host, consul, upload } of machines) {
    await upload(program, content, '0755')
    const environment = [
      `PLUGIN_NAME=${name}`,
      `PLUGIN_SOCKET=${socket}`,
      `HOST_ADDRESS=${host.address}`,
      `PEER_ADDRESSES=${addresses.filter((each) => each !== host.address).join(' ')}`,
      `CONSUL_HTTP_ADDR=${consul}:8500`,
    ].map((each) => `--setenv=${each}`)
    await host.succeed`mkdir -p /run/docker/plugins; systemd-run -q --unit ${unit} ${environment} ${program}`
    roles.push(await rolesOf(host, name, socket))
  }
  const ipam = roles.every((each) => each.includes('IpamDriver')) ? ['--ipam-driver', name] : []
  return { name, create: ['-d', name, ...ipam], isOurs: false, spreads: 'perhaps', lacks: {} }
}

/** The interfaces that the plugin says it implements, once it answers. */
async function rolesOf(host: Host, name: string, socket: string): Promise<string[]> {
  const activate = `curl -sf --max-time 5 --unix-socket ${socket} -d '' http://plugin/Plugin.Activate`
  try {
    // The wait ends at once when the plugin's process has ended.
    const answersOrEnded = `${activate} > /dev/null || ! systemctl -q is-active ${unit}`
    await host.within(startsWithinMs).waitUntilSucceeds`sh -c ${answersOrEnded}`
    const answer = JSON.parse(await host.succeed`sh -c ${activate}`)
    if (answer.Implements?.includes('NetworkDriver')) return answer.Implements
    throw new LabError(
      `${name} on ${host.name} is not a network driver: Plugin.Activate answered ${JSON.stringify(answer)}`,
    )
  } catch (error) {
    if (!(error instanceof ScenarioFailure)) throw error
    const log = await host.succeed`journalctl -u ${unit} -n 20 --no-pager -o cat`
    const seconds = startsWithinMs / 1000
    throw new LabError(
      `${name} does not answer on ${socket} of ${host.name} within ${seconds} s; its log:\n${log}`,
    )
  }
}
