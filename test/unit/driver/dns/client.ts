/** A resolver's client and a resolver, on loopback. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import dnsPacket, { type Packet } from 'dns-packet'
import { framed, frames } from '../../../../driver/dns/frames.ts'

export const question = (name: string, type = 'A', more: object = {}): Buffer =>
  dnsPacket.encode({
    ...{ id: 4711, type: 'query', flags: 256, questions: [{ name, type, class: 'IN' }] },
    ...more,
  })

export async function askUdp(port: number, bytes: Buffer, timeoutMs = 5000): Promise<Packet> {
  const socket = createSocket('udp4')
  try {
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.send(bytes)
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })
    return dnsPacket.decode(answer)
  } finally {
    socket.close()
  }
}

export async function askTcp(port: number, ...all: Buffer[]): Promise<Packet[]> {
  const socket = connect(port, '127.0.0.1')
  const answers: Packet[] = []
  try {
    const whole = new Promise<void>((resolve, reject) => {
      const take = frames((bytes) => {
        answers.push(dnsPacket.decode(bytes))
        if (answers.length === all.length) resolve()
      })
      socket.on('data', take).on('error', reject).on('close', resolve)
    })
    socket.write(Buffer.concat(all.map(framed)))
    await whole
    return answers
  } finally {
    socket.destroy()
  }
}

export interface Upstream {
  port: number
  /** Names that it was asked. */
  asked: string[]
  /** Over UDP it answers after so long. */
  delayMs: number
  close(): void
}

/** Answers with what `reply` makes of the question; undefined: it keeps silent. */
export async function upstream(reply: (packet: Packet) => Partial<Packet> | undefined): Promise<Upstream> {
  const asked: string[] = []
  const respond = (bytes: Buffer): Buffer | undefined => {
    const packet = dnsPacket.decode(bytes)
    asked.push(packet.questions[0]?.name ?? '')
    const made = reply(packet)
    if (made === undefined) return undefined
    return dnsPacket.encode({ id: packet.id, type: 'response', questions: packet.questions, ...made })
  }
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on(
      'data',
      frames((bytes) => {
        const answer = respond(bytes)
        if (answer !== undefined) socket.write(framed(answer))
      }),
    )
  }).listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as { port: number }
  const self: Upstream = {
    ...{ port, asked, delayMs: 0 },
    close() {
      udp.close()
      tcp.close()
    },
  }
  const udp = createSocket('udp4', (bytes, from) => {
    const answer = respond(bytes)
    const send = () => answer !== undefined && udp.send(answer, from.port, from.address)
    if (self.delayMs === 0) send()
    else setTimeout(send, self.delayMs)
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  return self
}
