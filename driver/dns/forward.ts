/**
 * Forwards a client's query to the machine's resolvers, one resolver after the other. The bytes of the query
 * stay the same, but for its id.
 *
 * Each query leaves from a socket of its own with a random id, so that an answer cannot be guessed. Equal
 * queries share one forwarded query. So a resolver that forwards to us in turn cannot multiply a query: its
 * query waits for its own answer until the timeout.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { framed, frames } from './frames.ts'
import { isResponse, rcodeOf } from './message.ts'
import { mostResolvers } from './resolvers.ts'

export interface Forwarder {
  /** Undefined without an answer of any resolver, or when too many callers wait for one. */
  ask(query: Buffer, over: Transport): Promise<Buffer | undefined>
  /** False: the machine has no resolver, so no name exists outside. */
  hasResolvers(): boolean
}

export type Transport = 'udp' | 'tcp'

export interface ForwarderOptions {
  /** Addresses; one of IPv6 may have a zone. */
  resolvers(): readonly string[]
  port?: number
  /**
   * For one resolver; the last one has what is left of the time of three. Three resolvers take less than the
   * 4 s after which the engine's DNS gives up.
   */
  timeoutMs?: number
  /** Callers that wait. Fewer than the server answers at once, so that silent resolvers take no name of ours away. */
  maxWaiting?: number
}

export function createForwarder(options: ForwarderOptions): Forwarder {
  const { resolvers, port = 53, timeoutMs = 1200, maxWaiting = 512 } = options
  const underWay = new Map<string, Promise<Buffer | undefined>>()
  let waiting = 0

  const askAll = async (query: Buffer, over: Transport): Promise<Buffer | undefined> => {
    let last: Buffer | undefined
    const all = resolvers()
    const end = performance.now() + mostResolvers * timeoutMs
    for (const [at, address] of all.entries()) {
      const leftMs = at < all.length - 1 ? 0 : end - performance.now()
      const answer = await askOne(query, { address, port, over, timeoutMs: Math.max(timeoutMs, leftMs) })
      last = answer ?? last
      if (answer !== undefined && !isFailure(answer)) break
    }
    return last
  }
  return {
    async ask(query, over) {
      const key = over + query.toString('latin1', 2)
      if (waiting >= maxWaiting || (!underWay.has(key) && resolvers().length === 0)) return undefined
      const work = underWay.get(key) ?? askAll(query, over).finally(() => underWay.delete(key))
      underWay.set(key, work)
      waiting += 1
      const answer = await work.finally(() => {
        waiting -= 1
      })
      return answer === undefined ? undefined : withId(answer, query.readUInt16BE(0))
    },
    hasResolvers: () => resolvers().length > 0,
  }
}

interface Target {
  address: string
  port: number
  over: Transport
  timeoutMs: number
}

function askOne(query: Buffer, target: Target): Promise<Buffer | undefined> {
  const asked = withId(query, randomInt(65_536))
  return target.over === 'udp' ? overUdp(asked, target) : overTcp(asked, target)
}

function overUdp(query: Buffer, { address, port, timeoutMs }: Target): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const done = (answer?: Buffer): void => {
      clearTimeout(timer)
      resolve(answer)
      socket.close()
    }
    const once = onlyOnce(done)
    const timer = setTimeout(once, timeoutMs)
    socket.on('error', () => once())
    socket.on('message', (bytes) => {
      if (isAnswerTo(query, bytes)) once(bytes)
    })
    // Of a connected socket, the kernel drops packets from other addresses, and reports a closed port as an error.
    socket.connect(port, address, () => {
      if (!once.isOver()) socket.send(query)
    })
  })
}

function overTcp(query: Buffer, { address, port, timeoutMs }: Target): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const once = onlyOnce((answer?: Buffer): void => {
      clearTimeout(timer)
      resolve(answer)
      socket.destroy()
    })
    const timer = setTimeout(once, timeoutMs)
    socket.on('error', () => once())
    socket.on('close', () => once())
    socket.on(
      'data',
      frames((bytes) => {
        if (isAnswerTo(query, bytes)) once(bytes)
      }),
    )
    socket.on('connect', () => socket.write(framed(query)))
  })
}

interface Once {
  (answer?: Buffer): void
  isOver(): boolean
}

function onlyOnce(done: (answer?: Buffer) => void): Once {
  let over = false
  const once = (answer?: Buffer): void => {
    if (over) return
    over = true
    done(answer)
  }
  return Object.assign(once, { isOver: () => over })
}

/** Compares id and question. The name may come back in another case. */
function isAnswerTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < 12 || !isResponse(answer) || answer.readUInt16BE(0) !== query.readUInt16BE(0))
    return false
  const end = endOfQuestion(query)
  const text = (bytes: Buffer): string => bytes.toString('latin1', 12, end).toLowerCase()
  return answer.readUInt16BE(4) === 0 ? isFailure(answer) : text(answer) === text(query)
}

function endOfQuestion(query: Buffer): number {
  let at = 12
  while ((query[at] ?? 0) !== 0 && at < query.length) at += 1 + (query[at] ?? 0)
  return at + 5
}

/** SERVFAIL and REFUSED: the next resolver may have an answer. */
function isFailure(answer: Buffer): boolean {
  return [2, 5].includes(rcodeOf(answer))
}

function withId(bytes: Buffer, id: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt16BE(id, 0)
  return copy
}
