/**
 * A network for the length of a scope: made on one host, there on both, and gone from both afterwards.
 */
import type { Host } from './host.ts'

export interface SharedNetwork extends AsyncDisposable {
  name: string
  /** Docker's id on the host that created it. */
  id: string
}

/** `args` are further words of `docker network create`. */
export async function sharedNetwork(
  [creator, ...others]: readonly [Host, ...Host[]],
  name: string,
  args: readonly string[] = [],
): Promise<SharedNetwork> {
  const id = await creator.succeed`docker network create -d vxlan --ipam-driver vxlan ${args} ${name}`
  for (const host of others) await host.waitUntilSucceeds`docker network inspect ${name} > /dev/null`
  return {
    name,
    id,
    async [Symbol.asyncDispose]() {
      // Again and again: another host may still be saying that its last container has left.
      const all = [creator, ...others]
      await creator.waitUntilSucceeds`docker network rm ${name} > /dev/null 2>&1; ! docker network inspect ${name} > /dev/null 2>&1`
      for (const host of all) await gone(host, name)
    },
  }
}

export async function gone(host: Host, name: string): Promise<void> {
  await host.waitUntilSucceeds`! docker network inspect ${name} > /dev/null 2>&1`
}
