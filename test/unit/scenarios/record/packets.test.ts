import { expect, test } from 'vitest'
import { decode, show } from '../../../../scenarios/record/packets.ts'

/**
 * eth1 of net-1 (192.168.33.11), by `tcpdump -w`, while its container 10.66.0.3 pinged 10.66.0.2 on net-2 over
 * IPv4 and IPv6, the host pinged net-2, and the container tried a TCP port where nobody listens.
 */
const captured = Buffer.from(
  `
1MOyoQIABAAAAAAAAAAAAAAABAABAAAA6PgFa9aLBgAqAAAAKgAAAP///////yJQwuYCkggGAAEIAAYEAAEiUMLmApLAqCELAAAAAAAAwKghDO
j4BWv0iwYAKgAAACoAAAAiUMLmApK6Pr/4EaAIBgABCAAGBAACuj6/+BGgwKghDCJQwuYCksCoIQvo+AVrA4wGAJQAAACUAAAAuj6/+BGgIlDC
5gKSCABFAACGu7QAAEAR+0rAqCELwKghDN4gErUAcsPrCAAAAAABAAACQgpCAAICQgpCAAMIAEUAAFT9WUAAQAEoxwpCAAMKQgACCACo48JZAA
Ho+AVrAAAAANmKBgAAAAAAEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2N+j4BWtNjAYAlAAAAJQAAAAiUMLmApK6Pr/4
EaAIAEUAAIZVCgAAQBFh9cCoIQzAqCEL3iAStQByw+sIAAAAAAEAAAJCCkIAAwJCCkIAAggARQAAVNwkAABAAYn8CkIAAgpCAAMAALDjwlkAAe
j4BWsAAAAA2YoGAAAAAAAQERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY36PgFazuvBwCoAAAAqAAAALo+v/gRoCJQwuYC
kggARQAAmru+AABAEfsswKghC8CoIQyTURK1AIbD/wgAAAAAAQAAAkIKQgACAkIKQgADht1gAb9tAEA6QP0AAGYAAAAAAAAAAAAAAAP9AABmAA
AAAAAAAAAAAAACgABTccJaAAHo+AVrAAAAALquBwAAAAAAEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2N+j4BWuKrwcA
qAAAAKgAAAAiUMLmApK6Pr/4EaAIAEUAAJpVDAAAQBFh38CoIQzAqCELxR8StQCGw/8IAAAAAAEAAAJCCkIAAwJCCkIAAobdYALY0gBAOkD9AA
BmAAAAAAAAAAAAAAAC/QAAZgAAAAAAAAAAAAAAA4EAUnHCWgAB6PgFawAAAAC6rgcAAAAAABAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKiss
LS4vMDEyMzQ1Njfo+AVrzvgIAGIAAABiAAAAuj6/+BGgIlDC5gKSCABFAABUCeFAAEABbWDAqCELwKghDAgAkNAC/wAB6PgFawAAAACu+AgAAA
AAABAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njfo+AVr9fgIAGIAAABiAAAAIlDC5gKSuj6/+BGgCABFAABUpyQAAEAB
EB3AqCEMwKghCwAAmNAC/wAB6PgFawAAAACu+AgAAAAAABAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njfo+AVr+nYLAH
wAAAB8AAAAuj6/+BGgIlDC5gKSCABFAABuu78AAEAR+1fAqCELwKghDIYAErUAWo7FCAAAAAABAAACQgpCAAICQgpCAAMIAEUAADyQskAAQAaV
gQpCAAMKQgACn+YACR6E6+0AAAAAoAL9XBS3AAACBAWCBAIICm/8YBoAAAAAAQMDCuj4BWtjdwsAaAAAAGgAAAAiUMLmApK6Pr/4EaAIAEUAAF
pVRwAAQBFh5MCoIQzAqCEL2F4StQBGw78IAAAAAAEAAAJCCkIAAwJCCkIAAggARQAAKAAAQABABiZICkIAAgpCAAMACZ/mAAAAAB6E6+5QFAAA
8OUAAA==`,
  'base64',
)
const withoutHeader = captured.subarray(24)

/** A capture of one frame, written by hand. */
function captureOf(hex: string): Buffer {
  const frame = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
  const record = Buffer.alloc(16)
  record.writeUInt32LE(frame.length, 8)
  return Buffer.concat([captured.subarray(0, 24), record, frame])
}

test('a capture is a line per packet, with what VXLAN carries after the bar', () => {
  expect(decode(captured).map(show).join('\n')).toMatchInlineSnapshot(`
    "ARP who has 192.168.33.12? tell 192.168.33.11
    ARP 192.168.33.12 is at ba:3e:bf:f8:11:a0
    192.168.33.11 → 192.168.33.12 VXLAN 256 │ 10.66.0.3 → 10.66.0.2 ICMP echo request id 49753 seq 1
    192.168.33.12 → 192.168.33.11 VXLAN 256 │ 10.66.0.2 → 10.66.0.3 ICMP echo reply id 49753 seq 1
    192.168.33.11 → 192.168.33.12 VXLAN 256 │ fd00:66::3 → fd00:66::2 ICMP echo request id 49754 seq 1
    192.168.33.12 → 192.168.33.11 VXLAN 256 │ fd00:66::2 → fd00:66::3 ICMP echo reply id 49754 seq 1
    192.168.33.11 → 192.168.33.12 ICMP echo request id 767 seq 1
    192.168.33.12 → 192.168.33.11 ICMP echo reply id 767 seq 1
    192.168.33.11 → 192.168.33.12 VXLAN 256 │ 10.66.0.3:40934 → 10.66.0.2:9 TCP SYN
    192.168.33.12 → 192.168.33.11 VXLAN 256 │ 10.66.0.2:9 → 10.66.0.3:40934 TCP RST ACK"
  `)
})

test('a VXLAN packet has the tunnel ends, the network identifier, and the containers inside', () => {
  const [, , request] = decode(captured)
  expect(request).toMatchInlineSnapshot(`
    {
      "at": 1795553512429.059,
      "inner": {
        "dst": "10.66.0.2",
        "dstMac": "02:42:0a:42:00:02",
        "icmp": {
          "id": 49753,
          "seq": 1,
          "type": "echo request",
        },
        "src": "10.66.0.3",
        "srcMac": "02:42:0a:42:00:03",
      },
      "outer": {
        "dst": "192.168.33.12",
        "dstMac": "ba:3e:bf:f8:11:a0",
        "src": "192.168.33.11",
        "srcMac": "22:50:c2:e6:02:92",
        "udp": {
          "bytes": 106,
          "dstPort": 4789,
          "srcPort": 56864,
        },
      },
      "vni": 256,
    }
  `)
})

test('the time of a packet is in milliseconds since the epoch', () => {
  expect(new Date(decode(captured)[0]?.at ?? 0).toISOString()).toBe('2026-11-24T20:51:52.429Z')
})

test('a capture that was cut off in the middle of a packet ends with the one before', () => {
  for (let length = 24; length < captured.length; length++) {
    expect(decode(captured.subarray(0, length)).length).toBeLessThan(10)
  }
})

test('a frame that ends early is decoded as far as it goes', () => {
  const frame = withoutHeader.subarray(16 + 42 + 16 + 42 + 16, 16 + 42 + 16 + 42 + 16 + 148).toString('hex')
  const at = (bytes: number) => decode(captureOf(frame.slice(0, bytes * 2))).map(show)[0]
  expect([10, 20, 38, 44, 55, 70, 90, 148].map(at)).toMatchInlineSnapshot(`
    [
      "cut off",
      "22:50:c2:e6:02:92 → ba:3e:bf:f8:11:a0 IPv4, cut off",
      "192.168.33.11 → 192.168.33.12 UDP, cut off",
      "192.168.33.11:56864 → 192.168.33.12:4789 UDP 106 bytes",
      "192.168.33.11 → 192.168.33.12 VXLAN 256 │ cut off",
      "192.168.33.11 → 192.168.33.12 VXLAN 256 │ 02:42:0a:42:00:03 → 02:42:0a:42:00:02 IPv4, cut off",
      "192.168.33.11 → 192.168.33.12 VXLAN 256 │ 10.66.0.3 → 10.66.0.2 ICMP, cut off",
      "192.168.33.11 → 192.168.33.12 VXLAN 256 │ 10.66.0.3 → 10.66.0.2 ICMP echo request id 49753 seq 1",
    ]
  `)
  for (let bytes = 0; bytes <= 148; bytes++) expect(at(bytes)).not.toContain('undefined')
})

test('UDP inside of VXLAN, IPv6 ends with ports, fragments, reports behind options, and what is none of these', () => {
  const outer =
    '0242c0a8210c 0242c0a8210b 0800 45000078 00000000 40110000 c0a8210b c0a8210c 123412b5 00640000'
  const vxlan = `${outer} 08000000 00010100 02420a420002 02420a420003`
  const lines = [
    `${vxlan} 0800 4500001f 00000000 40110000 0a420003 0a420002 00350036 000b0000 686900`,
    `${vxlan} 86dd 60000000 000b1140 fd000066000000000000000000000003 fd000066000000000000000000000002 00350036 000b0000 686900`,
    `${vxlan} 86dd 60000000 00100001 fe800000000000000000000000000003 ff020000000000000000000000000016 3a00050200000000 8f00000000000000`,
    `${vxlan} 0800 4500001f 000000b9 40110000 0a420003 0a420002 00350036 000b0000 686900`,
    `${vxlan} 0800 4500001f 00000000 40840000 0a420003 0a420002 00350036 000b0000 686900`,
    `${vxlan} 88cc 0000`,
  ]
  expect(lines.flatMap((hex) => decode(captureOf(hex)).map(show)).join('\n')).toMatchInlineSnapshot(`
    "192.168.33.11 → 192.168.33.12 VXLAN 257 │ 10.66.0.3:53 → 10.66.0.2:54 UDP 3 bytes
    192.168.33.11 → 192.168.33.12 VXLAN 257 │ [fd00:66::3]:53 → [fd00:66::2]:54 UDP 3 bytes
    192.168.33.11 → 192.168.33.12 VXLAN 257 │ fe80::3 → ff02::16 ICMP multicast listener report
    192.168.33.11 → 192.168.33.12 VXLAN 257 │ 10.66.0.3 → 10.66.0.2 fragment from byte 1480
    192.168.33.11 → 192.168.33.12 VXLAN 257 │ 10.66.0.3 → 10.66.0.2 IP protocol 132
    192.168.33.11 → 192.168.33.12 VXLAN 257 │ 02:42:0a:42:00:03 → 02:42:0a:42:00:02 EtherType 0x88cc"
  `)
})

test('what is no capture, and a capture of something else than Ethernet, says so', () => {
  expect(() => decode(Buffer.alloc(0))).toThrow('not a capture: 0 bytes')
  expect(() => decode(Buffer.from('tcpdump: eth9: No such device exists'))).toThrow('not a capture')
  const cooked = Buffer.from(captured)
  cooked.writeUInt32LE(113, 20)
  expect(() => decode(cooked)).toThrow('link type 113')
})

test('the other byte order and nanoseconds are read too', () => {
  const header = (magic: string) =>
    Buffer.from(`${magic}00020004 0000000000000000 00040000 00000001`.replaceAll(' ', ''), 'hex')
  const record = Buffer.from('6b05f8e8 00068bd6 0000000e 0000000e'.replaceAll(' ', ''), 'hex')
  const frame = Buffer.from('ffffffffffff 02420a420003 88cc'.replaceAll(' ', ''), 'hex')
  const [micro] = decode(Buffer.concat([header('a1b2c3d4'), record, frame]))
  const [nano] = decode(Buffer.concat([header('a1b23c4d'), record, frame]))
  expect(micro?.at).toBeCloseTo(0x6b05f8e8 * 1000 + 428.99, 1)
  expect(nano?.at).toBeCloseTo(0x6b05f8e8 * 1000 + 0.429, 2)
  expect(micro && show(micro)).toBe('02:42:0a:42:00:03 → ff:ff:ff:ff:ff:ff EtherType 0x88cc')
})
