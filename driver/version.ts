/** The version, put in by the build; a checkout that is run as it is has none. */
declare const MULTIHOST_VERSION: string | undefined

export const version = typeof MULTIHOST_VERSION === 'string' ? MULTIHOST_VERSION : '0.0.0-checkout'
