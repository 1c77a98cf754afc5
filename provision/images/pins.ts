/**
 * Packages of another Debian release: that release is a source, and pins take nothing else from it. Source:
 * apt_preferences(5).
 */

export interface Pin {
  /** Debian's name of the release: `sid`. */
  release: string
  packages: readonly string[]
}

/** Text for /etc/apt/preferences.d. */
export function preferences({ release, packages }: Pin): string {
  const pin = (names: string, priority: number) =>
    `Package: ${names}\nPin: release n=${release}\nPin-Priority: ${priority}\n`
  return [pin('*', 1), pin(packages.join(' '), 990)].join('\n')
}

/** The mirror in the output of `apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)'`, if one is Debian's. */
export function debianSite(targets: string): string | undefined {
  return targets
    .split('\n')
    .map((line) => line.split('|'))
    .find(([origin, label]) => origin === 'Debian' && label === 'Debian')?.[2]
}

export const indexTargets = ['indextargets', '--format', '$(ORIGIN)|$(LABEL)|$(SITE)', 'Created-By: Packages']
