/**
 * DNS messages: reads a query, and encodes the reply (RFC 1035 §4, EDNS: RFC 6891).
 *
 * A message may be any bytes. A message that is not a query gets no answer, so that two servers cannot answer
 * each other forever. A query that cannot be read gets FORMERR, one of a later EDNS version BADVERS.
 */
import dnsPacket, { type Opt, type Packet, type Question, type Resource } from 'dns-packet'

export interface Query {
  id: number
  /** As in the query: the client compares the reply's question with it byte by byte. */
  question: Question
  /**
   * In lower case, without the last dot. Empty for a name with bytes that text cannot hold: no container has
   * such a name.
   */
  name: string
  type: string
  recursionDesired: boolean
  /** Undefined: no EDNS. */
  payloadBytes: number | undefined
}

export type Read = { kind: 'query'; query: Query } | { kind: 'bad'; reply: Buffer } | { kind: 'nothing' }

export interface Reply {
  rcode: 'NOERROR' | 'NXDOMAIN'
  answers: Resource[]
  /** Stands beside an empty answer: the SOA of the network, with the TTL of the empty answer. */
  authority?: Resource
}

const rcodes = { FORMERR: 1, SERVFAIL: 2, NOTIMP: 4, REFUSED: 5 } as const
const headerBytes = 12
const authoritative = 1 << 10
const truncated = 1 << 9
const recursionDesired = 1 << 8
const recursionAvailable = 1 << 7
/** A packet of this size is not fragmented on common paths (DNS flag day 2020). */
const ownPayloadBytes = 1232
const plainPayloadBytes = 512
const ownOpt: Opt = { name: '.', type: 'OPT', udpPayloadSize: ownPayloadBytes, options: [] }

export function readMessage(bytes: Buffer): Read {
  if (bytes.length < headerBytes || isResponse(bytes)) return { kind: 'nothing' }
  if (((bytes[2] ?? 0) & 0x78) !== 0) return { kind: 'bad', reply: failure(bytes, 'NOTIMP') }
  try {
    const packet = dnsPacket.decode(bytes)
    // The package reads an option or a record that is longer than the message as far as the message goes.
    if (dnsPacket.decode.bytes > bytes.length) return malformed(bytes)
    const [question] = packet.questions
    if (question === undefined || packet.questions.length > 1) return malformed(bytes)
    const [opt, ...others] = packet.additionals.filter(isOpt)
    // RFC 6891 §6.1.1, §6.1.2.
    if (others.length > 0 || (opt !== undefined && opt.name !== '.')) return malformed(bytes)
    const query = queryOf(packet, question, isText(bytes, question), opt)
    if ((opt?.ednsVersion ?? 0) !== 0) return { kind: 'bad', reply: badVersion(query) }
    return { kind: 'query', query }
  } catch {
    // The package throws for bytes that it cannot read.
    return malformed(bytes)
  }
}

/**
 * Whether the question's name is the text that the package made of it. A label may contain a dot or any other
 * byte (RFC 2181 §11): as text it would be another name.
 */
function isText(bytes: Buffer, question: Question): boolean {
  const typeAndClassBytes = 4
  const again = dnsPacket.encode({ questions: [question] }).subarray(headerBytes, -typeAndClassBytes)
  const isSame = again.equals(bytes.subarray(headerBytes, headerBytes + again.length))
  return isSame && /^[\x21-\x7e]*$/.test(question.name)
}

function isOpt(record: Resource | Opt): record is Opt {
  return record.type === 'OPT'
}

function queryOf({ id, flags }: Packet, question: Question, isText: boolean, opt: Opt | undefined): Query {
  return {
    id,
    question,
    name: isText ? question.name.replace(/\.$/, '').toLowerCase() : '',
    type: question.type,
    recursionDesired: (flags & recursionDesired) !== 0,
    payloadBytes: opt?.udpPayloadSize,
  }
}

export function isResponse(bytes: Buffer): boolean {
  return ((bytes[2] ?? 0) & 0x80) !== 0
}

export function rcodeOf(bytes: Buffer): number {
  return (bytes[3] ?? 0) & 15
}

/** Echoes the query with QR set and the given RCODE. */
export function failure(query: Buffer, rcode: keyof typeof rcodes): Buffer {
  const reply = Buffer.from(query)
  reply[2] = ((query[2] ?? 0) & 0x79) | 0x80
  reply[3] = 0x80 | rcodes[rcode]
  return reply
}

function malformed(bytes: Buffer): Read {
  const reply = failure(bytes.subarray(0, headerBytes), 'FORMERR')
  reply.fill(0, 4)
  return { kind: 'bad', reply }
}

/**
 * BADVERS (RFC 6891 §6.1.3): 1 in the OPT record, whose version is the one that is understood, and 0 in the
 * header. Without the question where text cannot hold its name.
 */
function badVersion({ id, question, name, recursionDesired: isDesired }: Query): Buffer {
  const opt: Opt = { ...ownOpt, extendedRcode: 1 }
  return dnsPacket.encode({
    id,
    type: 'response',
    flags: (isDesired ? recursionDesired : 0) | recursionAvailable,
    questions: name === '' ? [] : [question],
    additionals: [opt],
  })
}

/** Over UDP, leaves out the records that do not fit and sets TC, so that the client asks again over TCP. */
export function encodeReply(query: Query, reply: Reply, over: 'udp' | 'tcp'): Buffer {
  const limit = over === 'tcp' ? 65_535 : payloadFor(query)
  let answers = reply.answers
  let bytes = encode(query, reply, answers, false)
  while (bytes.length > limit && answers.length > 0) {
    const fits = Math.floor((answers.length * limit) / bytes.length)
    answers = answers.slice(0, Math.min(fits, answers.length - 1))
    bytes = encode(query, reply, answers, over === 'udp')
  }
  return bytes
}

function payloadFor({ payloadBytes = plainPayloadBytes }: Query): number {
  return Math.max(plainPayloadBytes, Math.min(payloadBytes, ownPayloadBytes))
}

function encode(query: Query, { rcode, authority }: Reply, answers: Resource[], cut: boolean): Buffer {
  const flags =
    authoritative |
    (cut ? truncated : 0) |
    (query.recursionDesired ? recursionDesired : 0) |
    recursionAvailable |
    (rcode === 'NXDOMAIN' ? 3 : 0)
  return dnsPacket.encode({
    id: query.id,
    type: 'response',
    flags,
    questions: [query.question],
    answers,
    authorities: authority === undefined ? [] : [authority],
    additionals: query.payloadBytes === undefined ? [] : [ownOpt],
  })
}
