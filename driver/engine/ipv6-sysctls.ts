/**
 * Whether sysctls take IPv6 from a container's interface. The engine gives it an IPv6 address all the same.
 *
 * The engine enables IPv6 by name on each interface that has an IPv6 address, and writes the sysctls of the
 * endpoint afterwards (moby's setInterfaceIPv6 and setSysctls, libnetwork/osl/interface_linux.go). So
 * `net.ipv6.conf.default` decides nothing. The sysctls of the container are written when the interfaces of
 * its start are there. Of several, the one that is written last counts, and the exact name before `all`.
 */
const endpointSysctls = 'com.docker.network.endpoint.sysctls'

/** `options`: the endpoint's `DriverOpts`. `isOnlyNetwork`: the interface is the container's eth0. */
export function disablesIpv6(
  sysctls: Readonly<Record<string, string>>,
  options: Readonly<Record<string, string>>,
  isOnlyNetwork: boolean,
): boolean {
  const eth0 = isOnlyNetwork ? sysctls['net.ipv6.conf.eth0.disable_ipv6'] : undefined
  const value = ofEndpoint(options) ?? eth0 ?? sysctls['net.ipv6.conf.all.disable_ipv6']
  return Number(value ?? 0) > 0
}

/** `NAME=VALUE,NAME=VALUE`. The engine writes the interface's name for the fourth word, `IFNAME`. */
function ofEndpoint(options: Readonly<Record<string, string>>): string | undefined {
  const all = (options[endpointSysctls] ?? '').split(',')
  return all.flatMap((it) => /^net\.ipv6\.conf\.[^.]+\.disable_ipv6=(.*)$/.exec(it)?.[1] ?? []).at(-1)
}
