/**
 * How often the driver looks by itself, and how long it waits before it believes, in milliseconds.
 *
 * Changes come by events. A look finds what no event told: at rest no loop looks more often than every 10 s.
 * Tunnels are the exception, since the absence of an answer has no event.
 */
import type { NoticeMs } from '../loops/datapath/namespace-watch.ts'

export interface Intervals {
  /** Between two looks of each loop. */
  everyMs: {
    host: number
    networks: number
    endpoints: number
    addresses: number
    /** Containers that Docker gave up. */
    restarts: number
    hostsFiles: number
    /** Those that the kernel cannot watch. */
    unwatchedHostsFiles: number
    /** The way to the DNS server. */
    dnsAddress: number
    filter: number
    /** Questions through the tunnel. */
    tunnels: number
    underlay: number
    /** The file that names the default network. */
    defaultNetwork: number
  }
  datapath: {
    /** Each network is looked at this often, while they are few, where the kernel does not tell of changes. */
    auditMs: number
    /** And where it does. */
    slowAuditMs: number
    /** Links and namespaces go this long after their last user. */
    removalDelayMs: number
    noticeMs: NoticeMs
  }
  /**
   * How long Docker must not show something before it is removed. Longer than the pause before Docker repeats
   * a call to a driver that was away for up to 3 s (1 s, then 2 s).
   */
  graceMs: number
  /**
   * `host rm` looks twice, this far apart: a live host whose session Consul has lost claims its name again
   * meanwhile, by its loop `host`.
   */
  claimedAgainMs: number
  /** Events of the engine within this time share one comparison of its endpoints with the store. */
  compareAfterMs: number
  /** Docker tells of no start that failed. One for which a call was refused has failed after so long. */
  refusedAfterMs: number
  /** The pause between two attempts to take part. */
  attemptEveryMs: number
  /** Sockets open that late at the latest. At boot an interface may come a moment after the driver. */
  openWithinMs: number
}

export const usualIntervals: Intervals = {
  everyMs: {
    host: 10_000,
    networks: 10_000,
    endpoints: 10_000,
    addresses: 10_000,
    restarts: 30_000,
    hostsFiles: 10_000,
    unwatchedHostsFiles: 2000,
    dnsAddress: 10_000,
    filter: 10_000,
    tunnels: 1000,
    underlay: 10_000,
    defaultNetwork: 10_000,
  },
  datapath: {
    auditMs: 2000,
    slowAuditMs: 30_000,
    removalDelayMs: 300,
    noticeMs: { first: 50, next: 300, afterOwn: 2000 },
  },
  graceMs: 3000,
  claimedAgainMs: 12_000,
  compareAfterMs: 5000,
  refusedAfterMs: 3000,
  attemptEveryMs: 2000,
  openWithinMs: 5000,
}
