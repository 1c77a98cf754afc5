/**
 * Whether a peer's driver is down while its host is up.
 *
 * Drivers answer probes, so a driver that is down is as silent as a host without power. The kernel tells them
 * apart: it refuses a packet to a UDP port that no process has, by ICMP, and a host without power does not.
 * Each driver tells the port of its socket in its messages. The port is asked while the tunnel is silent, and
 * otherwise when it is new, and once a minute: a port that is refused, and whose driver still sends, is
 * refused by a firewall, and proves nothing. A host that has booted without its driver refuses the VXLAN
 * port, too: the kernel has it while there is a VXLAN device, and there its containers are not.
 */
import type { Ip } from '../../core/records.ts'
import type { TunnelSocket } from '../../kernel/tunnel-socket.ts'

export interface PeerDriver {
  /** A message of the driver has arrived. `port`: undefined from an older driver. */
  heard(port: number | undefined): void
  /**
   * Once a second. `isLate`: the tunnel has not answered the last question. `hasNetwork`: the host has a
   * network of this port, and so a VXLAN device.
   */
  tick(socket: Pick<TunnelSocket, 'isRefused'>, to: Ip, how: { isLate: boolean; hasNetwork: boolean }): void
  /** The host's kernel has refused the port within that time, and has its VXLAN devices. */
  isDown(withinMs: number): boolean
}

const checkEveryMs = 60_000
/** Of so many questions one is to the VXLAN port: a kernel answers one a second (`icmp_ratelimit`). */
const tunnelEvery = 3

/** By a clock that only grows, in milliseconds. */
export function createPeerDriver(now: () => number, tunnelPort: number): PeerDriver {
  let port: number | undefined
  let askedAt = Number.NEGATIVE_INFINITY
  let refused: { port: number; at: number } | undefined
  let isBehindFirewall = false
  let lateTicks = 0
  let withoutTunnelsAt = Number.NEGATIVE_INFINITY
  const ask = async (socket: Pick<TunnelSocket, 'isRefused'>, to: Ip, asked: number): Promise<void> => {
    askedAt = now()
    const isRefused = await socket.isRefused(to, asked)
    if (isRefused && port === asked && !isBehindFirewall) refused = { port, at: now() }
  }
  const askTunnel = async (socket: Pick<TunnelSocket, 'isRefused'>, to: Ip): Promise<void> => {
    if (await socket.isRefused(to, tunnelPort)) withoutTunnelsAt = now()
  }
  return {
    heard(told) {
      lateTicks = 0
      withoutTunnelsAt = Number.NEGATIVE_INFINITY
      if (told !== port) {
        askedAt = Number.NEGATIVE_INFINITY
        isBehindFirewall = false
      } else if (refused !== undefined && refused.port === told) {
        isBehindFirewall = true
        refused = undefined
      }
      port = told
    },
    tick(socket, to, { isLate, hasNetwork }) {
      if (port === undefined) return
      if (isLate && hasNetwork && lateTicks++ % tunnelEvery === 0) void askTunnel(socket, to)
      else if (isLate || now() - askedAt >= checkEveryMs) void ask(socket, to, port)
    },
    isDown(withinMs) {
      const hasTunnels = now() - withoutTunnelsAt > 2 * withinMs
      return hasTunnels && refused !== undefined && now() - refused.at <= withinMs
    },
  }
}
