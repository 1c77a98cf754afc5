/**
 * The real Consul, from Debian's package, unpacked into the cache: for tests that need no lab.
 */
export async function consulBinary(): Promise<string> {
  return '/var/tmp/try/root13/usr/bin/consul'
}
