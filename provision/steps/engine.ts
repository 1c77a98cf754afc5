/**
 * The Docker engine's packages, where the host has no engine. An engine that the host has stays: installing another is
 * the owner's decision. When a version was asked for (`--engine`, MULTIHOST_ENGINE), another one is an error.
 */
import { checkVersion, defaultEngine, engineOf } from '../images/engines.ts'
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
    const { packages, pin } = engineOf(context.engine ?? defaultEngine)
    await $`apt-get update -q`
    if (pin) await useRelease(context, pin)
    const names = await offered(context, packages)
    await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ${names}`
  },
}

async function versionOn({ $ }: StepContext): Promise<string> {
  return (await $`dockerd --version`).stdout
}

/** Those of the packages that the host's release has: before Debian 13, docker.io contains the command `docker`. */
async function offered(context: StepContext, packages: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const name of packages)
    if (await succeeds(context, `apt-cache show ${name} > /dev/null 2>&1`)) names.push(name)
  return names
}
