/**
 * The entry of `multihost service` and `multihost docker`. Whatever is wrong is one line, and exit code 1.
 */
import { asDriverError } from '../core/errors.ts'
import { defaultControlSocket, defaultDockerSocket } from '../sockets.ts'
import { docker } from './docker/docker.ts'
import { dockerd } from './dockerd.ts'
import { service } from './service.ts'

const realDocker = '/usr/bin/docker'

/** The exit code. */
export async function words2015(
  command: 'docker' | 'service',
  args: string[],
  print: (text: string) => void,
): Promise<number> {
  const complain = (text: string): void => void process.stderr.write(`multihost: ${text}\n`)
  const [controlSocket, dockerSocket] = [defaultControlSocket, defaultDockerSocket]
  try {
    if (command === 'service') {
      await service(args, { controlSocket, dockerd: dockerd(dockerSocket), print })
      return 0
    }
    const { MULTIHOST_PLAN: plan, MULTIHOST_DOCKER: real = realDocker } = process.env
    return await docker(args, {
      ...{ docker: real, controlSocket, dockerSocket, environment: process.env, print, complain },
      ...(plan === undefined ? {} : { planFd: Number(plan) }),
    })
  } catch (thrown) {
    const error = asDriverError(thrown)
    complain(error.code === 'internal' ? (error.stack ?? error.line) : error.line)
    return 1
  }
}
