import { debianSite, indexTargets, type Pin, preferences } from '../images/pins.ts'
import { pinFile, sourceFile } from './apt.ts'
import type { RemoteFile, StepContext } from './step.ts'

/** For a host whose apt names no mirror of Debian. */
export const publicMirror = 'http://deb.debian.org/debian'

/**
 * Files that make the release a source of the host's apt for the pinned packages. Old releases are no longer
 * refreshed.
 */
export async function releaseFiles({ $ }: StepContext, pin: Pin): Promise<RemoteFile[]> {
  const targets = await $`apt-get ${indexTargets}`
  const mirror = debianSite(targets.stdout) ?? publicMirror
  const source = `deb [check-valid-until=no] ${mirror} ${pin.release} main\n`
  return [
    { path: sourceFile(pin.release), content: source },
    { path: pinFile(pin.release), content: preferences(pin) },
  ]
}
