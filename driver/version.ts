/** Replaced by the build with the version of package.json; absent when the source is run without a build. */
declare const MULTIHOST_VERSION: string | undefined

export const version = typeof MULTIHOST_VERSION === 'string' ? MULTIHOST_VERSION : '0.0.0-checkout'
