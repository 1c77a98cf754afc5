/**
 * Reads the error of a container's last start (`State.Error`). Pure.
 *
 * The engine keeps the text of an error, and not its kind. Texts of moby 20.10 to 29: plugin/errors.go,
 * pkg/plugins/client.go and plugins.go, libnetwork/controller.go, network.go, endpoint.go and error.go.
 * Engines from 28 on put `failed to set up container networking: ` before them.
 */
const driver = 'vxlan'

/** The driver of this network failed: it refused, did not answer, or its answer broke off. */
const endpointNotCreated = /\bfailed to create endpoint \S+ on network (\S+): /

/** What a plugin refused, with its own sentence. A call without an answer has the URL, with `/` before the method. */
const refused = /(?<![/\w])(Ipam|Network)Driver\.\w+: /

/** The plugin is not there, or does not answer. Each text has the plugin's name. */
const silent = [
  /\bplugin "([^"]+)" not found/,
  /"http:\/\/[^"]*%2F([^%/"]+)\.sock\/(?:Plugin|IpamDriver|NetworkDriver)\.\w+"/,
  /\bcould not resolve driver (\S+) in registry/,
  /\binvalid ipam driver: "([^"]+)"/,
  /\bdoes not implement the requested driver: plugin="([^"]+)"/,
]

/**
 * The error comes from this driver, or from its absence. `networks`: names of this driver's networks. A
 * container may be on networks of other drivers, too: an error that names another network or another plugin
 * is theirs.
 */
export function isOfDriver(error: string, networks: ReadonlySet<string>): boolean {
  const network = endpointNotCreated.exec(error)?.[1]
  if (network !== undefined) return networks.has(network)
  return refused.test(error) || silent.some((text) => text.exec(error)?.[1] === driver)
}

/** The Join of an endpoint failed because of this driver, or of its absence. */
export function isOfJoin(error: string): boolean {
  return isOfDriver(error, new Set()) && /\bNetworkDriver\.Join\b|\bduring join: /.test(error)
}

/**
 * The client of the start has gone away before it ended: engines from 24 on give such a start up when their
 * call of the plugin is answered (moby's daemon/start.go, ReplaceContainer).
 */
export function isCutOff(error: string): boolean {
  return /\bcontext canceled\b/.test(error)
}

/** Docker's id or name of the network that the engine did not find. */
export function lostNetworkIn(error: string): string | undefined {
  return /\bnetwork (\S+) not found/.exec(error)?.[1]
}

/**
 * The id or name of the container that did not run, for one that shares its network, IPC or PID namespace, or
 * has a link to it (moby's daemon/container_operations.go, errors.go).
 */
export function awaitedIn(error: string): string | undefined {
  const [, joined, other] =
    /\bnon running container: (?:container )?\/?([^\s:]+)|\bcontainer ([^\s:]+) is not running\b/.exec(
      error,
    ) ?? []
  return joined ?? other
}
