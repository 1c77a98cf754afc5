/**
 * The Docker engine's packages, where the host has none.
 *
 * MULTIHOST_ENGINE names the version for new machines; what a host has already stays, since it may be another's
 * choice. Debian's packages: 20.10 on Debian 12, 26 on Debian 13, 28 from sid.
 */

import { useRelease } from '../images/apt.ts'
import { LabError } from '../process/errors.ts'
import { present } from './base.ts'
import { type Step, type StepContext, succeeds } from './step.ts'

export const engine: Step = {
  title: 'docker engine',
  holds: (context) => succeeds(context, present(['dockerd', 'docker'])),
  async apply(context) {
    const { $, host } = context
    const wanted = process.env.MULTIHOST_ENGINE
    await $`apt-get update -q`
    if (wanted === '28') await useRelease(context, 'sid', ['docker.io', 'docker-cli', 'containerd', 'runc'])
    await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ${await packages(context)}`
    const version = (await $`dockerd --version`).stdout
    if (!wanted || version.includes(` ${wanted}.`)) return
    throw new LabError(
      `${host.name}: MULTIHOST_ENGINE is ${wanted}, and its distribution has ${version.trim()}`,
      {
        hint: 'engine 20.10 is Debian 12 (debian/bookworm64); 26 and 28 are for Debian 13 (debian/trixie64)',
      },
    )
  },
}

/** Debian 13's docker.io only recommends the command; earlier releases have it inside. */
async function packages(context: StepContext): Promise<string[]> {
  const apart = await succeeds(context, 'apt-cache show docker-cli > /dev/null 2>&1')
  return apart ? ['docker.io', 'docker-cli'] : ['docker.io']
}
