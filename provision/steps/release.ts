import { debianSite, indexTargets, type Pin, preferences } from '../images/pins.ts'
import type { StepContext } from './step.ts'

/** For a host whose apt names no mirror of Debian. */
export const publicMirror = 'http://deb.debian.org/debian'

/** Makes the release a source of the host's apt for the pinned packages. Old releases are no longer refreshed. */
export async function useRelease({ $, upload }: StepContext, pin: Pin): Promise<void> {
  const targets = await $`apt-get ${indexTargets}`
  const mirror = debianSite(targets.stdout) ?? publicMirror
  const source = `deb [check-valid-until=no] ${mirror} ${pin.release} main\n`
  await upload(`/etc/apt/sources.list.d/${pin.release}.list`, source)
  await upload(`/etc/apt/preferences.d/${pin.release}`, preferences(pin))
  await $`apt-get update -q`
}
