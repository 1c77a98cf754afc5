/**
 * The frames of a capture as `tcpdump -w` writes it: the classic format in either byte order, in micro- or
 * nanoseconds. A capture that was cut off in the middle of a frame ends with the frame before.
 *
 * Source: draft-ietf-opsawg-pcap.
 */
import { LabError } from '../../provision/process/errors.ts'

export interface Captured {
  /** Milliseconds since the epoch. */
  at: number
  /** As long as it was captured, which may be less than it was on the wire. */
  frame: Buffer
}

const headerBytes = 24
const recordBytes = 16
const ethernet = 1

export function frames(pcap: Buffer): Captured[] {
  const { word, ticksPerMs } = reader(pcap)
  const linkType = word(20) & 0xffff
  if (linkType !== ethernet) {
    throw new LabError(`a capture of link type ${linkType}: only Ethernet (${ethernet}) is read`, {
      hint: 'capture on one interface, not on `any`',
    })
  }
  const found: Captured[] = []
  for (let at = headerBytes; at + recordBytes <= pcap.length; ) {
    const end = at + recordBytes + word(at + 8)
    if (end > pcap.length) break
    found.push({
      at: word(at) * 1000 + word(at + 4) / ticksPerMs,
      frame: pcap.subarray(at + recordBytes, end),
    })
    at = end
  }
  return found
}

/** How this file's numbers are written, by its first four bytes. */
function reader(pcap: Buffer): { word: (at: number) => number; ticksPerMs: number } {
  const magic = pcap.length < headerBytes ? '' : pcap.toString('hex', 0, 4)
  const little = { word: (at: number) => pcap.readUInt32LE(at) }
  const big = { word: (at: number) => pcap.readUInt32BE(at) }
  if (magic === 'd4c3b2a1') return { ...little, ticksPerMs: 1e3 }
  if (magic === '4d3cb2a1') return { ...little, ticksPerMs: 1e6 }
  if (magic === 'a1b2c3d4') return { ...big, ticksPerMs: 1e3 }
  if (magic === 'a1b23c4d') return { ...big, ticksPerMs: 1e6 }
  throw new LabError(`not a capture: ${pcap.length} bytes, the first ${magic || 'of no header'}`, {
    hint: 'take it with `tcpdump -w`; -U writes every packet at once, so that none is lost when it is ended',
  })
}
