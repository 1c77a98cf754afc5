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
