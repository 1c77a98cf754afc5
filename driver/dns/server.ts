/**
 * Serves the responder on an address of this host, over UDP and TCP. While the address is taken or missing,
 * the server tries again and the driver works without DNS.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import type { Ip } from '../core/records.ts'
import type { Log } from '../log.ts'
import type { DnsCounts, Responder } from './answer.ts'
import { framed, frames } from './frames.ts'

export interface DnsServer {
  status(): DnsStatus
  close(): Promise<void>
}

export interface DnsStatus extends DnsCounts {
  address: string
  /** Messages from other addresses than the server's own, which is this host's. */
  read: number
  /** Undefined while it answers. */
  lastError: string | undefined
}

export interface DnsServerOptions {
  address: Ip
  /** Default 53. With 0 the kernel chooses the port; `status` has it. */
  port?: number
  responder: Responder
  log: Log
  /** It answers from now on, or the first attempt has failed. */
  onChange?(): void
  retryMs?: number
}

const maxConnections = 128
const idleMs = 10_000

export function startDnsServer(options: DnsServerOptions): DnsServer {
  const { address, port = 53, responder, log, retryMs = 2000 } = options
  let sockets: Sockets | undefined
  let read = 0
  let lastError: string | undefined = 'not started yet'
  let timer: NodeJS.Timeout | undefined
  let closed = false
  /** What `onChange` was called for. */
  let answered: boolean | undefined

  const tell = (): void => {
    const answers = lastError === undefined
    if (answers === answered) return
    answered = answers
    options.onChange?.()
  }
  const counted: Answerer = {
    answer(bytes, from, over) {
      if (from !== address) read += 1
      return responder.answer(bytes, from, over)
    },
  }
  const open = async (): Promise<void> => {
    try {
      sockets = await openSockets(address, port, counted)
      if (closed) return
      lastError = undefined
      log.info({ address, port: sockets.port }, 'DNS answers')
      tell()
    } catch (error) {
      const reason = (error as Error).message
      if (reason !== lastError) log.warn({ address, port, reason }, 'DNS cannot listen, trying again')
      lastError = reason
      tell()
      if (!closed) timer = setTimeout(() => void retry(), retryMs)
    }
  }
  let opening = open()
  const retry = (): void => {
    opening = open()
  }
  return {
    status: () => ({
      address: `${address.includes(':') ? `[${address}]` : address}:${sockets?.port ?? port}`,
      read,
      lastError,
      ...responder.counts(),
    }),
    async close() {
      closed = true
      clearTimeout(timer)
      await opening
      const open = sockets
      sockets = undefined
      await open?.close()
    },
  }
}

type Answerer = Pick<Responder, 'answer'>

interface Sockets {
  port: number
  close(): Promise<void>
}

/** Opens both sockets, or throws and leaves none open. */
async function openSockets(address: Ip, port: number, responder: Answerer): Promise<Sockets> {
  const connections = new Set<Socket>()
  const tcp = createServer((connection) => {
    connections.add(connection.on('close', () => connections.delete(connection)))
    serve(connection, responder)
  })
  tcp.maxConnections = maxConnections
  tcp.listen({ host: address, port, exclusive: true })
  await once(tcp, 'listening')
  // accept(2) passes on errors of the network: they end no other connection.
  tcp.on('error', () => undefined)
  const bound = tcp.address()
  const now = typeof bound === 'object' && bound !== null ? bound.port : port
  try {
    const udp = await openUdp(address, now, responder)
    return {
      port: now,
      async close() {
        for (const connection of connections) connection.destroy()
        await Promise.all([closing(udp), closing(tcp)])
      },
    }
  } catch (error) {
    await closing(tcp)
    throw error
  }
}

async function openUdp(address: Ip, port: number, responder: Answerer): Promise<UdpSocket> {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  udp.on('message', async (bytes, { address: from, port: back }) => {
    const reply = await responder.answer(bytes, from, 'udp')
    // The socket may be closed by now, or the client's address be gone. The client asks again.
    if (reply !== undefined) sendQuietly(udp, reply, back, from)
  })
  udp.bind({ address, port, exclusive: true })
  try {
    await once(udp, 'listening')
  } catch (error) {
    // Node keeps the socket open when it cannot be bound.
    await closing(udp)
    throw error
  }
  udp.on('error', () => undefined)
  return udp
}

function sendQuietly(udp: UdpSocket, reply: Buffer, port: number, address: string): void {
  try {
    udp.send(reply, port, address, () => undefined)
  } catch {
    // The socket was closed during the lookup.
  }
}

function serve(connection: Socket, responder: Answerer): void {
  const from = connection.remoteAddress ?? ''
  connection.setTimeout(idleMs, () => connection.destroy())
  connection.on('error', () => connection.destroy())
  connection.on(
    'data',
    frames(async (bytes) => {
      const reply = await responder.answer(Buffer.from(bytes), from, 'tcp')
      if (reply === undefined) connection.destroy()
      // A client that does not read its answers is not read either: they would fill the memory.
      else if (connection.writable && !connection.write(framed(reply))) connection.pause()
    }),
  )
  connection.on('drain', () => connection.resume())
}

async function closing(it: UdpSocket | Server): Promise<void> {
  await new Promise<void>((resolve) => it.close(() => resolve()))
}
