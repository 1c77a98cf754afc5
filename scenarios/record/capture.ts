/**
 * A capture of the underlay while scenarios run, as evidence for a failure: the last four to eight megabytes
 * of VXLAN, ARP and ICMP packets on each host, the first 128 bytes of each packet. Measured: iperf3 across
 * the underlay is as fast with the capture as without.
 *
 * systemd ends the capture after 15 minutes, because the process that started it may be killed.
 */
import type { LabHost } from '../../provision/lab/definition.ts'
import { shellQuote } from '../../provision/process/quote.ts'
import type { Ask } from './take-snapshot.ts'

const unit = 'underlay-capture'
const file = `/run/${unit}.pcap`
const longestS = 900
const which = 'udp port 4789 or arp or icmp'

/** Starts the capture on each host where none is running. A capture that does not start fails no scenario. */
export async function capture(hosts: readonly LabHost[], ask: Ask): Promise<void> {
  await Promise.all(hosts.map((host) => ask(host, start(host)).catch(() => undefined)))
}

export interface CapturedFile {
  pcap: Buffer
  /** The packets since the time asked for, as tcpdump prints them, with the packets inside VXLAN. */
  text: string
}

/** tcpdump options: addresses as numbers, the frame's MACs, seconds since the epoch. */
const decoded = `tcpdump -nn -e -tt -r`

/** Stops the capture, reads its files, oldest first, and starts it again. `since`: milliseconds since the epoch. */
export async function captured(host: LabHost, since: number, ask: Ask): Promise<CapturedFile[]> {
  const files = await answer(host, `systemctl stop ${unit} 2>/dev/null; ls -tr ${file}*`, ask)
  const found: CapturedFile[] = []
  for (const path of files.split('\n').filter(Boolean).map(shellQuote)) {
    const pcap = Buffer.from(await answer(host, `base64 -w0 ${path}`, ask), 'base64')
    const text = await answer(host, `${decoded} ${path} 2> /dev/null`, ask)
    if (pcap.length > 0) found.push({ pcap, text: packetsSince(text, since / 1000) })
  }
  await capture([host], ask)
  return found
}

async function answer(host: LabHost, command: string, ask: Ask): Promise<string> {
  const { stdout } = await ask(host, command).catch(() => ({ stdout: '' }))
  return stdout
}

/** A packet's first line begins with its time; the lines of an inner packet follow without one. */
function packetsSince(text: string, seconds: number): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => Number(/^\d+\.\d+/.exec(line)?.[0] ?? 0) >= seconds)
  return first < 0 ? '' : lines.slice(first).join('\n')
}

function start({ address }: LabHost): string {
  const device = `$(ip -j -4 address show to ${address}/32 | jq -r '.[].ifname // empty')`
  const tcpdump = `tcpdump -i ${device} --immediate-mode -Z root -s 128 -C 4 -W 2 -w ${file} '${which}'`
  const started = `systemd-run -q --collect --unit ${unit} -p RuntimeMaxSec=${longestS} ${tcpdump}`
  return `systemctl is-active -q ${unit} || { rm -f ${file}*; ${started}; }`
}
