/** Messages: any bytes in a question, and what fits into an answer. */
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { framed, frames } from '../../../../driver/dns/frames.ts'
import { encodeReply, failure, type Query, readMessage } from '../../../../driver/dns/message.ts'

const ask = (name: string, more: object = {}): Buffer =>
  dnsPacket.encode({
    id: 7,
    type: 'query',
    flags: 256,
    questions: [{ name, type: 'A', class: 'IN' }],
    ...more,
  })
const queryOf = (bytes: Buffer): Query => {
  const read = readMessage(bytes)
  if (read.kind !== 'query') throw new Error(read.kind)
  return read.query
}
const records = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ name: 'all.foobar', type: 'A', ttl: 5 },
    data: `10.0.${i >> 8}.${i & 255}`,
  }))
const withEdns = (udpPayloadSize: number) =>
  ask('all.foobar', { additionals: [{ name: '.', type: 'OPT', udpPayloadSize, options: [] }] })

test('a question is read in lower case, and answered as it was written', () => {
  const query = queryOf(ask('WeB.FooBar.'))
  expect(query).toMatchObject({ id: 7, name: 'web.foobar', type: 'A', recursionDesired: true })
  const reply = dnsPacket.decode(encodeReply(query, { rcode: 'NOERROR', answers: [] }, 'udp'))
  expect(reply).toMatchObject({
    id: 7,
    type: 'response',
    rcode: 'NOERROR',
    questions: [{ name: 'WeB.FooBar' }],
  })
  expect(reply.additionals).toEqual([])
})

describe('an answer that is too long', () => {
  test.each([
    ['512 bytes without EDNS', ask('all.foobar'), 512],
    ['what the asker says', withEdns(900), 900],
    ['never less than 512', withEdns(10), 512],
    ['never more than 1232', withEdns(65_000), 1232],
  ])('is cut and marked: %s', (_, question, limit) => {
    const bytes = encodeReply(queryOf(question), { rcode: 'NOERROR', answers: records(300) }, 'udp')
    expect(bytes.length).toBeLessThanOrEqual(limit)
    expect(bytes.length).toBeGreaterThan(limit * 0.8)
    expect((bytes[2] ?? 0) & 2).toBe(2)
    expect(dnsPacket.decode(bytes).answers.length).toBeGreaterThan(10)
  })

  test('comes whole over TCP, as far as a message goes', () => {
    const query = queryOf(ask('all.foobar'))
    const whole = dnsPacket.decode(encodeReply(query, { rcode: 'NOERROR', answers: records(1000) }, 'tcp'))
    expect(whole.answers).toHaveLength(1000)
    const most = encodeReply(query, { rcode: 'NOERROR', answers: records(5000) }, 'tcp')
    expect(most.length).toBeLessThanOrEqual(65_535)
    expect((most[2] ?? 0) & 2).toBe(0)
  })
})

test('what is no query gets no answer; what cannot be read gets FORMERR, other opcodes NOTIMP', () => {
  const question = ask('web')
  expect(readMessage(failure(question, 'SERVFAIL')).kind).toBe('nothing')
  expect(readMessage(question.subarray(0, 11)).kind).toBe('nothing')
  const rcode = (bytes: Buffer): unknown => {
    const read = readMessage(bytes)
    return read.kind === 'bad' ? dnsPacket.decode(read.reply).rcode : read.kind
  }
  expect(rcode(question.subarray(0, 14))).toBe('FORMERR')
  expect(rcode(dnsPacket.encode({ id: 1, type: 'query', questions: [] }))).toBe('FORMERR')
  const update = Buffer.from(question)
  update[2] = 5 << 3
  expect(rcode(update)).toBe('NOTIMP')
})

describe('EDNS (RFC 6891)', () => {
  const opt = (ednsVersion: number) => ({
    ...{ name: '.', type: 'OPT', udpPayloadSize: 1232, options: [] },
    ednsVersion,
  })
  const refused = (bytes: Buffer): dnsPacket.Packet => {
    const read = readMessage(bytes)
    if (read.kind !== 'bad') throw new Error(read.kind)
    return dnsPacket.decode(read.reply)
  }

  test.each([1, 255])('version %s gets BADVERS, with the version that is understood', (version) => {
    const reply = refused(ask('Web.foobar', { additionals: [opt(version)] }))
    expect(reply).toMatchObject({ id: 7, type: 'response', rcode: 'NOERROR', answers: [] })
    expect(reply.questions).toMatchObject([{ name: 'Web.foobar', type: 'A' }])
    expect(reply.flags & 256).toBe(256)
    expect(reply.additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1, ednsVersion: 0 }])
  })

  test('BADVERS for a name that is no text repeats no other name', () => {
    const bytes = ask('a.b', { additionals: [opt(1)] })
    // One label of three bytes, with the dot in it.
    bytes[12] = 3
    bytes[14] = 0x2e
    expect(refused(bytes)).toMatchObject({ questions: [], additionals: [{ extendedRcode: 1 }] })
  })

  test.each([
    ['two OPT records', ask('web', { additionals: [opt(0), opt(0)] })],
    ['an OPT record that is not at the root', namedOption()],
    ['an OPT record that is longer than the message', cutOption()],
  ])('%s get FORMERR', (_, bytes) => {
    expect(refused(bytes).rcode).toBe('FORMERR')
  })

  /** The name of the OPT record is a pointer to the question's. */
  function namedOption(): Buffer {
    const bytes = ask('web', { additionals: [opt(0)] })
    const at = ask('web').length
    return Buffer.concat([bytes.subarray(0, at), Buffer.from('c00c', 'hex'), bytes.subarray(at + 1)])
  }

  /** An option that says 8 bytes, and has 2. */
  function cutOption(): Buffer {
    const bytes = ask('web', { additionals: [opt(0)] })
    bytes.writeUInt16BE(12, bytes.length - 2)
    return Buffer.concat([bytes, Buffer.from('000a0008aabb', 'hex')])
  }
})

test('no bytes at all are too strange', () => {
  const damaged = fc.tuple(fc.nat(40), fc.uint8Array({ maxLength: 40 })).map(([at, bytes]) => {
    const question = withEdns(1232)
    return Buffer.concat([question.subarray(0, at), bytes, question.subarray(at + bytes.length)])
  })
  const anything = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.oneof(anything, damaged), (bytes) => {
      const read = readMessage(bytes)
      if (read.kind === 'bad') expect(read.reply.length).toBeLessThanOrEqual(Math.max(12, bytes.length))
      if (read.kind === 'query') encodeReply(read.query, { rcode: 'NXDOMAIN', answers: records(3) }, 'udp')
    }),
    { numRuns: 3000 },
  )
})

test('messages on a stream come whole, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      (all, step) => {
        const stream = Buffer.concat(all.map((bytes) => framed(Buffer.from(bytes))))
        const seen: Buffer[] = []
        const take = frames((bytes) => seen.push(Buffer.from(bytes)))
        for (let at = 0; at < stream.length; at += step) take(stream.subarray(at, at + step))
        expect(seen.map((it) => it.toString('hex'))).toEqual(all.map((it) => Buffer.from(it).toString('hex')))
      },
    ),
  )
})

describe('a name whose bytes are no text is none of ours', () => {
  const asked = (labels: string): Query =>
    queryOf(Buffer.from(`000701000001000000000000${labels}0000010001`, 'hex'))
  test.each([
    ['a dot inside of a label', '03612e62'],
    ['bytes that are no UTF-8', '0261ff'],
    ['a letter whose lower case is another letter: the Kelvin sign', '05776 5e284aa'.replace(' ', '')],
    ['a blank', '03612062'],
  ])('%s', (_, labels) => {
    expect(asked(labels).name).toBe('')
  })

  test('a label of 63 bytes and a type that is not known are ours to answer', () => {
    expect(asked(`3f${'41'.repeat(63)}`).name).toBe('a'.repeat(63))
    const https = Buffer.from('000701000001000000000000037765620000410001', 'hex')
    expect(queryOf(https).name).toBe('web')
  })
})
