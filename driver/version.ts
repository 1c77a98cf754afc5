/**
 * Replaced by the build with package.json's version and Git's commit; absent when the source is run without a
 * build.
 */
declare const MULTIHOST_VERSION: string | undefined
declare const MULTIHOST_COMMIT: string | undefined

export const version = typeof MULTIHOST_VERSION === 'string' ? MULTIHOST_VERSION : '0.0.0-checkout'
const commit = typeof MULTIHOST_COMMIT === 'string' ? MULTIHOST_COMMIT : 'unknown'

/** What `multihost --version` prints. */
export const versionLine = `multihost ${version} (${commit})`
