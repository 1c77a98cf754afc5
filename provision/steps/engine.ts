/**
 * The Docker engine's packages, where the host has no engine. An engine that the host has stays: installing
 * another is the owner's decision. When a version was asked for (`--engine`, MULTIHOST_ENGINE), another one
 * is an error.
 *
 * The packages start dockerd before the driver and its options are there. Without a network of the driver's
 * it asks for no plugin, and a later step starts it again with the options.
 */
import { checkVersion, defaultEngine, type Engine, engineOf } from '../images/engines.ts'
import { LabError } from '../process/errors.ts'
import { install, pinFile, sourceFile, withAptFiles } from './apt.ts'
import { present } from './base.ts'
import { releaseFiles } from './release.ts'
import { type RemoteFile, type Step, type StepContext, succeeds } from './step.ts'

/**
 * Before anything is changed: what has Docker's socket or command, and is no engine of a package. The
 * package's dockerd would take the socket from a snap's, and apt would remove Podman's command.
 */
export const engineFits: Step = {
  title: 'docker engine: no other one in its place',
  async holds(context) {
    const { name } = context.host
    const hasEngine = await succeeds(context, present(['dockerd']))
    const snap = hasEngine ? 'systemctl -q is-active snap.docker.dockerd' : '[ -e /snap/bin/docker ]'
    if (await succeeds(context, snap))
      throw new LabError(`${name} has Docker as a snap, which keeps its socket; nothing was changed`, {
        hint: 'give the lab another host, or remove the snap with its containers: snap remove docker',
      })
    const podman =
      'docker --version 2> /dev/null | grep -qi podman || readlink -m /run/docker.sock | grep -q podman'
    if (!hasEngine && (await succeeds(context, podman)))
      throw new LabError(`${name} has Podman in the place of Docker; nothing was changed`, {
        hint: 'give the lab another host, or remove its command: apt-get remove podman-docker',
      })
    return true
  },
  apply: async () => undefined,
}

export const engine: Step = {
  title: 'docker engine: its packages',
  async holds(context) {
    if (!(await succeeds(context, present(['dockerd', 'docker'])))) return false
    if (context.engine !== undefined)
      checkVersion(context.engine, await versionOn(context), context.host.name)
    return true
  },
  async apply(context) {
    const { $, host } = context
    const wanted = engineOf(context.engine ?? defaultEngine)
    await $`apt-get update -q`
    await withAptFiles(context, await sources(context, wanted), async () => {
      const names = await offered(context, wanted.packages)
      if (names.length === 0)
        throw new LabError(`${host.name}: apt has no package of engine ${wanted.version}`)
      await install(context, names)
    })
  },
}

async function versionOn({ $ }: StepContext): Promise<string> {
  return (await $`dockerd --version`).stdout
}

/** Sources and pins for the engine's packages, where the host's release has others. */
async function sources(context: StepContext, { version, pin, repository }: Engine): Promise<RemoteFile[]> {
  if (pin) return releaseFiles(context, pin)
  if (repository) return repositoryFiles(context, version, repository)
  return []
}

/**
 * Docker's own repository, with its key; of the engine's packages it gives the wanted version alone. A
 * person's source of it stays the only one: apt refuses one repository with two keys.
 */
async function repositoryFiles(
  context: StepContext,
  version: string,
  repository: string,
): Promise<RemoteFile[]> {
  const { $, host } = context
  const pins = { path: pinFile('docker'), content: dockerPreferences(version) }
  if (await succeeds(context, `apt-cache madison docker-ce | grep -qF '| 5:${version}.'`)) return [pins]
  const [id, suite] = (await $`. /etc/os-release && echo $ID $VERSION_CODENAME`).stdout.trim().split(' ')
  const site = `${repository}/${id}`
  const fetched = await $`curl -fsS --max-time 10 ${site}/gpg`.nothrow()
  if (fetched.exitCode !== 0) {
    throw new LabError(`${host.name} does not reach ${site}, which has engine ${version}`, {
      hint: 'without that site, --engine-from DIR takes the programs from a folder',
    })
  }
  const key = '/usr/share/keyrings/multihost-docker.asc'
  return [
    { path: key, content: fetched.stdout },
    { path: sourceFile('docker'), content: `deb [signed-by=${key}] ${site} ${suite} stable\n` },
    pins,
  ]
}

/** The epoch of Docker's packages is 5: `5:29.7.0-1~debian.13~trixie`. */
export function dockerPreferences(version: string): string {
  return `Package: docker-ce docker-ce-cli\nPin: version 5:${version}.*\nPin-Priority: 990\n`
}

/** Those of the packages that the host's release has: before Debian 13, docker.io contains the command `docker`. */
async function offered(context: StepContext, packages: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const name of packages)
    if (await succeeds(context, `apt-cache show ${name} > /dev/null 2>&1`)) names.push(name)
  return names
}
