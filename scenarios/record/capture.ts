/**
 * A capture of the underlay that runs while scenarios do, so that a failure can be looked at: the last four to eight
 * megabytes of tunnel, ARP and ICMP packets on each host, the first 128 bytes of each. Measured: no difference to
 * iperf3 across it.
 *
 * It ends by itself, since whoever started it may be killed.
 */
import type { LabHost } from '../../provision/lab/hosts.ts'
import type { Ask } from './take-snapshot.ts'

const unit = 'underlay-capture'
const file = `/run/${unit}.pcap`
const longestS = 900
const which = 'udp port 4789 or arp or icmp'

/** Starts it where it does not run. */
export async function capture(hosts: readonly LabHost[], ask: Ask): Promise<void> {
  await Promise.all(hosts.map((host) => ask(host, start(host)).catch(() => undefined))) // no evidence, no failure
}

/** Ends it, and what it has written, the older file first. */
export async function captured(host: LabHost, ask: Ask): Promise<Buffer[]> {
  const command = `systemctl stop ${unit} 2>/dev/null; for f in $(ls -tr ${file}*); do base64 -w0 $f; echo; done`
  const { stdout } = await ask(host, command).catch(() => ({ stdout: '' }))
  await capture([host], ask)
  const files = stdout.split('\n').map((line) => Buffer.from(line, 'base64'))
  return files.filter(({ length }) => length > 0)
}

function start({ address }: LabHost): string {
  const device = `$(ip -j -4 address show to ${address}/32 | jq -r '.[].ifname // empty')`
  const tcpdump = `tcpdump -i ${device} --immediate-mode -Z root -s 128 -C 4 -W 2 -w ${file} '${which}'`
  const started = `systemd-run -q --collect --unit ${unit} -p RuntimeMaxSec=${longestS} ${tcpdump}`
  return `systemctl is-active -q ${unit} || { rm -f ${file}*; ${started}; }`
}
