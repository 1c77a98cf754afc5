/**
 * apt on a host that a person uses too. Files of ours are named multihost-*, and they go again when the work
 * that needs them fails: one source that does not answer keeps apt from working for good.
 */
import type { ProcessPromise } from 'zx/core'
import { type RemoteFile, type StepContext, writeFiles } from './step.ts'

/**
 * Without questions: a configuration file that was there before its package stays as it is. Waits for another
 * run of apt: on a machine that has just booted, unattended-upgrades has the lock for minutes.
 */
export function install({ $ }: StepContext, names: readonly string[]): ProcessPromise {
  const keep = ['-o', 'Dpkg::Options::=--force-confdef', '-o', 'Dpkg::Options::=--force-confold']
  const wait = ['-o', 'DPkg::Lock::Timeout=300']
  return $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ${wait} ${keep} ${names}`
}

/** Name of a source and of its pins: `/etc/apt/sources.list.d/multihost-sid.list`. */
export const sourceFile = (name: string): string => `/etc/apt/sources.list.d/multihost-${name}.list`
export const pinFile = (name: string): string => `/etc/apt/preferences.d/multihost-${name}`

/** Runs the work with these files of apt's on the host. */
export async function withAptFiles(
  context: StepContext,
  files: readonly RemoteFile[],
  work: () => Promise<unknown>,
): Promise<void> {
  const { $ } = context
  try {
    await writeFiles(context, files)
    if (files.length > 0) await $`apt-get update -q`
    await work()
  } catch (error) {
    if (files.length > 0) await $`rm -f ${files.map(({ path }) => path)}`.nothrow()
    throw error
  }
}
