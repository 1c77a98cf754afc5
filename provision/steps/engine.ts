/**
 * The Docker engine's packages, where the host has no engine. An engine that the host has stays: installing
 * another is the owner's decision. When a version was asked for (`--engine`, MULTIHOST_ENGINE), another one
 * is an error.
 */
import { checkVersion, defaultEngine, type Engine, engineOf } from '../images/engines.ts'
import { LabError } from '../process/errors.ts'
import { present } from './base.ts'
import { useRelease } from './release.ts'
import { type Step, type StepContext, succeeds } from './step.ts'

export const engine: Step = {
  title: 'docker engine: its packages',
  async holds(context) {
    if (!(await succeeds(context, present(['dockerd', 'docker'])))) return false
    if (context.engine !== undefined)
      checkVersion(context.engine, await versionOn(context), context.host.name)
    return true
  },
  async apply(context) {
    const { $ } = context
    const wanted = engineOf(context.engine ?? defaultEngine)
    const { packages, pin } = wanted
    await $`apt-get update -q`
    if (pin) await useRelease(context, pin)
    if (wanted.repository) await useRepository(context, wanted, wanted.repository)
    const names = await offered(context, packages)
    await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ${names}`
  },
}

async function versionOn({ $ }: StepContext): Promise<string> {
  return (await $`dockerd --version`).stdout
}

/** Docker's own repository, with its key; of the engine's packages it gives the wanted version alone. */
async function useRepository({ $, upload, host }: StepContext, engine: Engine, site: string): Promise<void> {
  const key = '/usr/share/keyrings/docker.asc'
  const fetched = await $`curl -fsS --max-time 10 -o ${key} ${site}/gpg`.nothrow()
  if (fetched.exitCode !== 0) {
    throw new LabError(`${host.name} does not reach ${site}, which has engine ${engine.version}`, {
      hint: 'where it is not reached, --engine-from DIR takes the programs from a folder',
    })
  }
  const suite = (await $`sed -n 's/^VERSION_CODENAME=//p' /etc/os-release`).stdout.trim()
  await upload('/etc/apt/sources.list.d/docker.list', `deb [signed-by=${key}] ${site} ${suite} stable\n`)
  await upload('/etc/apt/preferences.d/docker', dockerPreferences(engine.version))
  await $`apt-get update -q`
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
