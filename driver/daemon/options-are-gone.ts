/**
 * A member whose options are gone: it has a name in a cluster, and nothing says which store that is.
 *
 * A purge of docker.io, `--force-confnew`, and a tool that owns /etc/default/docker remove them. The kernel
 * goes on forwarding, and the host's records stay. So it is no host without a cluster: the driver waits, and
 * the commands say the line that is missing.
 */
import { DriverError } from '../core/errors.ts'
import { storeOfDiskCopy } from '../store/disk-copy-file.ts'
import { readIdentity } from './host-identity.ts'
import { type OpenOptions, packageOptionsFile } from './options.ts'

/** Undefined with a store, and on a host that is a member of no cluster. Throws as `readIdentity`. */
export async function optionsAreGone({
  kvStore,
  stateDir,
}: Pick<OpenOptions, 'kvStore' | 'stateDir'>): Promise<DriverError | undefined> {
  if (kvStore !== undefined) return undefined
  const identity = await readIdentity(stateDir)
  if (identity === undefined) return undefined
  const store = (await storeOfDiskCopy(`${stateDir}/snapshot.json`)) ?? 'consul://HOST:8500'
  return new DriverError('unavailable', `this host is ${identity.name}, and its options are gone`, {
    hint: `put MULTIHOST_OPTS back into ${packageOptionsFile}, with what the driver had beside the store: MULTIHOST_OPTS="--kv-store=${store}", and run 'systemctl restart multihost'; or take this host out with 'multihost leave --force', which leaves its records in the store`,
  })
}
