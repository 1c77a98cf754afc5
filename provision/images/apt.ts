/**
 * Packages of another Debian release on a host: that release as a source, and pins that take nothing else from it.
 */
import type { StepContext } from '../steps/step.ts'

/** The release's index may be past its date: what is old enough to be taken from there is no longer refreshed. */
export async function useRelease(
  { $, upload }: StepContext,
  release: string,
  packages: readonly string[],
): Promise<void> {
  const site = await $`apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)' 'Created-By: Packages'`
  const source = `deb [check-valid-until=no] ${debianSite(site.stdout)} ${release} main\n`
  await upload(`/etc/apt/sources.list.d/${release}.list`, source)
  await upload(`/etc/apt/preferences.d/${release}`, preferences(release, packages))
  await $`apt-get update -q`
}

/** The mirror that the host's apt uses for Debian. */
export function debianSite(targets: string): string {
  const site = targets
    .split('\n')
    .map((line) => line.split('|'))
    .find(([origin, label]) => origin === 'Debian' && label === 'Debian')?.[2]
  return site ?? 'http://deb.debian.org/debian'
}

export function preferences(release: string, packages: readonly string[]): string {
  const pin = (names: string, priority: number) =>
    `Package: ${names}\nPin: release n=${release}\nPin-Priority: ${priority}\n`
  return [pin('*', 1), pin(packages.join(' '), 990)].join('\n')
}
