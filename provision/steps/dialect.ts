/**
 * The walkthrough's `docker`: a script before the real command in PATH, which understands Docker's command
 * line of 2015.
 *
 * Optional: the driver works without it, and the real command stays where it is.
 */
import { wrapperText } from '../../driver/dialect/docker-wrapper.ts'
import { LabError } from '../process/errors.ts'
import { engineFolder } from './engine-programs.ts'
import { filesHold, type RemoteFile, type Step, type StepContext, succeeds, writeFiles } from './step.ts'

const wrapper = '/usr/local/bin/docker'

/** Before anything is changed. */
export const dialectFits: Step = {
  title: `docker command of 2015: ${wrapper} is free`,
  async holds(context) {
    const known = `head -n 2 ${wrapper} | grep -q multihost || [ ! -e ${wrapper} ]`
    if (await succeeds(context, known)) return true
    throw new LabError(`${context.host.name} has another ${wrapper}; nothing was changed`, {
      hint: 'move it away, or put the real command into /usr/bin',
    })
  },
  apply: async () => undefined,
}

export const dialect: Step = {
  title: `docker command of 2015: ${wrapper}`,
  holds: async (context) => filesHold(context, await files(context)),
  apply: async (context) => writeFiles(context, await files(context)),
}

/**
 * The walkthrough types docker without sudo. Members of the group are as powerful as root; this user has sudo
 * anyway.
 */
export const user: Step = {
  title: 'user vagrant: member of the group docker',
  holds: (context) => succeeds(context, '! id vagrant > /dev/null 2>&1 || id -nG vagrant | grep -qw docker'),
  async apply({ $ }) {
    await $`/usr/sbin/usermod -aG docker vagrant`
  },
}

async function files({ $ }: StepContext): Promise<RemoteFile[]> {
  const real = (
    await $`PATH=${engineFolder}:/usr/bin:/usr/sbin:/bin:/usr/local/sbin command -v docker`.nothrow()
  ).stdout.trim()
  // With data-root or userns-remap the state of the swarm is elsewhere.
  const info = await $`${real || 'docker'} info --format '{{.DockerRootDir}}' 2> /dev/null`.nothrow()
  const [dockerFolder] = /^\/[\w./-]+$/.exec(info.stdout.trim()) ?? []
  const paths = { ...(real !== '' && { docker: real }), ...(dockerFolder !== undefined && { dockerFolder }) }
  return [{ path: wrapper, content: wrapperText(paths), mode: '0755' }]
}
