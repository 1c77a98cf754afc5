/** The responder on loopback, with a resolver of the machine behind it. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises'
import { decode, type Packet } from 'dns-packet'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createResponder, type ViewOf } from '../../../../driver/dns/answer.ts'
import { createForwarder } from '../../../../driver/dns/forward.ts'
import { framed } from '../../../../driver/dns/frames.ts'
import { type DnsServer, startDnsServer } from '../../../../driver/dns/server.ts'
import { fastestOf } from '../../../fixtures/fastest-of.ts'
import { readableLog } from '../../../fixtures/log.ts'
import { until } from '../../../fixtures/until.ts'
import { askTcp, askUdp, question, type Upstream, upstream } from './client.ts'
import { zone } from './zones.ts'

const many = Array.from({ length: 200 }, (_, i) => `172.21.1.${i + 1} crowd`).join(' ')
const dual = [2, 3].map((n) => `172.21.0.${n} dual fd00:9::${n} dual`).join(' ')
const foobar = zone('foobar', `172.21.0.2 web 172.21.0.2 all 172.21.0.3 all 172.21.0.4 all ${dual} ${many}`)
const all: ViewOf = async () => ({ zones: [foobar], onlyUnambiguous: false })

let server: DnsServer
let machine: Upstream
let port: number
let resolvers: string[]
let reply: (packet: Packet) => Partial<Packet> | undefined

async function start(viewOf: ViewOf = all): Promise<void> {
  const forwarder = createForwarder({ resolvers: () => resolvers, port: machine.port, timeoutMs: 200 })
  const responder = createResponder({ viewOf, forwarder })
  server = startDnsServer({ address: '127.0.0.1', port: 0, responder, log: readableLog().log, retryMs: 20 })
  await until('it listens', () => server.status().lastError === undefined)
  port = Number(server.status().address.split(':')[1])
}
beforeEach(async () => {
  reply = ({ questions }) => ({
    answers: [{ name: questions[0]?.name ?? '', type: 'A', ttl: 60, data: '93.184.216.34' }],
  })
  machine = await upstream((packet) => reply(packet))
  resolvers = ['127.0.0.1']
  await start()
})
afterEach(async () => {
  await server.close()
  machine.close()
})

const data = ({ answers }: Packet): unknown[] => answers.map((it) => it.data)

test('our names are answered at once, over UDP and TCP, with authority', async () => {
  for (const answer of [
    await askUdp(port, question('Web.Foobar')),
    ...(await askTcp(port, question('web'))),
  ]) {
    expect(answer).toMatchObject({
      id: 4711,
      rcode: 'NOERROR',
      answers: [{ type: 'A', ttl: 5, data: '172.21.0.2' }],
    })
  }
  expect(machine.asked).toEqual([])
})

test('a client that does not read its answers is not answered without end, and gets all of them when it reads', async () => {
  const answer = Buffer.alloc(6000)
  let asked = 0
  const responder = {
    async answer() {
      asked += 1
      return answer
    },
    counts: () => ({ answered: asked, forwarded: 0, refused: 0, failed: 0 }),
  }
  const busy = startDnsServer({ address: '127.0.0.1', port: 0, responder, log: readableLog().log })
  await until('it listens', () => busy.status().lastError === undefined)
  const client = connect(Number(busy.status().address.split(':')[1]), '127.0.0.1')
  await once(client, 'connect')
  const count = 20_000
  client.write(Buffer.concat(Array(count).fill(framed(question('crowd')))))
  let before = -1
  while (asked > before || asked === 0) {
    before = asked
    await delay(200)
  }
  expect(asked).toBeLessThan(count / 2)
  let read = 0
  client.on('data', (chunk) => {
    read += chunk.length
  })
  await until('all answers came', () => read === count * framed(answer).length)
  client.destroy()
  await busy.close()
})

test('the addresses of one name come in rotating order, with other questions in between', async () => {
  const firsts = []
  for (let i = 0; i < 4; i++) {
    firsts.push(data(await askUdp(port, question('all')))[0])
    await askUdp(port, question('all', 'AAAA'))
  }
  expect(firsts).toEqual(['172.21.0.2', '172.21.0.3', '172.21.0.4', '172.21.0.2'])
})

test('of a name with two addresses of each family, both come first in turn for a client that asks for A and AAAA', async () => {
  const firsts = []
  for (let i = 0; i < 3; i++) {
    const pair = [await askUdp(port, question('dual')), await askUdp(port, question('dual', 'AAAA'))]
    firsts.push(pair.map((it) => data(it)[0]).join(' '))
  }
  expect(firsts).toEqual(['172.21.0.2 fd00:9::2', '172.21.0.3 fd00:9::3', '172.21.0.2 fd00:9::2'])
})

test('what does not fit is asked for again over TCP, several questions on one connection', async () => {
  const cut = await askUdp(port, question('crowd'))
  expect(cut.flags & 512).toBe(512)
  const whole = await askTcp(port, question('crowd'), question('web'), question('crowd'))
  expect(whole.map((it) => it.answers.length).sort()).toEqual([1, 200, 200])
})

test('all else is what the machine’s resolver says, byte for byte, over the same transport', async () => {
  expect(data(await askUdp(port, question('example.com')))).toEqual(['93.184.216.34'])
  const [answer] = await askTcp(port, question('example.org'))
  expect(answer).toMatchObject({ id: 4711, answers: [{ ttl: 60, data: '93.184.216.34' }] })
  expect(machine.asked).toEqual(['example.com', 'example.org'])
})

describe('a name below a network’s that does not exist here', () => {
  const denied = { rcode: 'NXDOMAIN', authorities: [{ name: 'foobar', type: 'SOA' }] }

  test('may exist outside: a network can be called like a domain', async () => {
    expect(data(await askUdp(port, question('go.foobar')))).toEqual(['93.184.216.34'])
  })

  test('is denied when it does not exist outside either', async () => {
    reply = () => ({ flags: 3 })
    expect(await askUdp(port, question('gone.foobar'))).toMatchObject(denied)
  })

  test('is denied at once on a machine without a resolver', async () => {
    resolvers = []
    expect(await askUdp(port, question('gone.foobar'))).toMatchObject(denied)
  })

  test.each<[string, () => Partial<Packet> | undefined]>([
    ['is silent', () => undefined],
    ['fails', () => ({ flags: 2 })],
    ['refuses', () => ({ flags: 5 })],
    ['does not know the operation', () => ({ flags: 4 })],
  ])('may exist, so that the answer is SERVFAIL, when the resolver %s', async (_, fails) => {
    reply = fails
    const answer = await askUdp(port, question('api.foobar'))
    expect(answer).toMatchObject({ rcode: 'SERVFAIL', questions: [{ name: 'api.foobar' }], authorities: [] })
    expect(server.status()).toMatchObject({ answered: 0, failed: 1 })
  })

  test('is denied when the second resolver denies it and the first one fails', async () => {
    resolvers = ['127.0.0.3', '127.0.0.1']
    reply = () => ({ flags: 3 })
    expect(await askUdp(port, question('gone.foobar'))).toMatchObject(denied)
  })
})

describe('without an answer from outside', () => {
  test('and without a resolver, SERVFAIL comes at once', async () => {
    resolvers = []
    const asked = async () =>
      expect(await askUdp(port, question('example.com'))).toMatchObject({
        rcode: 'SERVFAIL',
        questions: [{ name: 'example.com' }],
      })
    expect(await fastestOf(5, asked)).toBeLessThan(150)
  })

  test('where no resolver listens, the next resolver is asked', async () => {
    resolvers = ['127.0.0.3', '127.0.0.1']
    expect(data(await askUdp(port, question('example.com')))).toEqual(['93.184.216.34'])
    expect(data((await askTcp(port, question('example.net')))[0] as Packet)).toEqual(['93.184.216.34'])
  })

  test('an only resolver that is slow, as for a name that it must look up itself, is waited for', async () => {
    machine.delayMs = 350
    expect(data(await askUdp(port, question('far.example')))).toEqual(['93.184.216.34'])
    resolvers = ['127.0.0.3', '127.0.0.1']
    expect(data(await askUdp(port, question('farther.example')))).toEqual(['93.184.216.34'])
  })

  test('SERVFAIL comes after the bound, and the question went out once for all who waited', async () => {
    reply = () => undefined
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => askUdp(port, question('slow.example'))),
    )
    expect(new Set(answers.map(({ rcode }) => rcode))).toEqual(new Set(['SERVFAIL']))
    expect(machine.asked).toEqual(['slow.example'])
  })

  test('our names are answered, however many questions wait for the resolver', async () => {
    machine.delayMs = 1500
    const forwarder = createForwarder({ resolvers: () => resolvers, port: machine.port, timeoutMs: 1000 })
    const { answer } = createResponder({ viewOf: all, forwarder })
    const ask = (name: string) => answer(question(name), '172.21.0.9', 'udp')
    const waiting: Promise<Buffer | undefined>[] = []
    for (let i = 0; i < 1100; i++) {
      waiting.push(ask(`slow${i % 5}.example`))
      await immediate()
    }
    expect(data(decode((await ask('web.foobar')) ?? question('')))).toEqual(['172.21.0.2'])
    expect((await Promise.all(waiting)).filter((it) => it === undefined)).toEqual([])
  })

  test('a resolver that asks us in turn ends in SERVFAIL and not in a storm', async () => {
    reply = () => {
      const socket = createSocket('udp4')
      socket.send(question('loop.example'), port, '127.0.0.1', () => socket.close())
      return undefined
    }
    expect(await askUdp(port, question('loop.example'))).toMatchObject({ rcode: 'SERVFAIL' })
    expect(machine.asked).toEqual(['loop.example'])
  })

  test('an answer to another question, or with another id, is not believed', async () => {
    reply = ({ questions: [first] }) => ({
      questions: [{ ...(first as Packet['questions'][0]), name: 'evil.example' }],
      answers: [{ name: 'evil.example', type: 'A', ttl: 60, data: '6.6.6.6' }],
    })
    expect(await askUdp(port, question('good.example'))).toMatchObject({ rcode: 'SERVFAIL', answers: [] })
    reply = ({ id }) => ({ id: id ^ 1, answers: [] })
    expect(await askUdp(port, question('better.example'))).toMatchObject({ rcode: 'SERVFAIL' })
  })
})

test('a stranger is refused, and no resolver is asked', async () => {
  await server.close()
  await start(async () => undefined)
  for (const name of ['web.foobar', 'example.com']) {
    expect(await askUdp(port, question(name))).toMatchObject({ rcode: 'REFUSED', answers: [] })
  }
  expect(machine.asked).toEqual([])
})

test('when the client cannot be found out, the answer is SERVFAIL', async () => {
  await server.close()
  await start(async () => {
    throw new Error('no')
  })
  expect(await askUdp(port, question('web'))).toMatchObject({ rcode: 'SERVFAIL' })
})

test('a thousand datagrams of rubbish and connections that break off leave it answering', async () => {
  const socket = createSocket('udp4')
  for (let i = 0; i < 1000; i++) {
    const bytes = Buffer.from(question('web.foobar'))
    bytes[i % bytes.length] = (i * 31) & 255
    socket.send(bytes.subarray(0, (i * 7) % (bytes.length + 1)), port, '127.0.0.1')
    socket.send(Buffer.alloc(i % 70, i), port, '127.0.0.1')
  }
  for (let i = 0; i < 50; i++) {
    const half = connect(port, '127.0.0.1').on('error', () => undefined)
    half.write(Buffer.from([0, 200, 1, 2, 3]), () => half.destroy())
  }
  await until(
    'it answers',
    async () => data(await askUdp(port, question('web'), 200))[0] === '172.21.0.2',
    10_000,
  )
  socket.close()
})

test('an address that is taken is tried again until it is free, and is given back', async () => {
  const { log, entries } = readableLog()
  const responder = createResponder({ viewOf: all, forwarder: createForwarder({ resolvers: () => [] }) })
  const second = startDnsServer({ address: '127.0.0.1', port, responder, log, retryMs: 10 })
  await until('it complains', () => /EADDRINUSE/.test(second.status().lastError ?? ''))
  await server.close()
  await until('it listens', () => second.status().lastError === undefined)
  expect(data(await askUdp(port, question('web')))).toEqual(['172.21.0.2'])
  await second.close()
  expect(entries.filter(({ level }) => level === 'warn')).toHaveLength(1)
})

test('an attempt to listen on an address that is taken for UDP alone loses no file', async () => {
  const taken = createSocket('udp4')
  taken.bind({ address: '127.0.0.1', port: 0, exclusive: true })
  await once(taken, 'listening')
  const responder = createResponder({ viewOf: all, forwarder: createForwarder({ resolvers: () => [] }) })
  const { log } = readableLog()
  const files = () => readdirSync('/proc/self/fd').length
  const options = { address: '127.0.0.1', port: taken.address().port, responder, log, retryMs: 1 }
  const second = startDnsServer(options)
  await until('it complains', () => /EADDRINUSE/.test(second.status().lastError ?? ''))
  const before = files()
  await delay(300)
  expect(files()).toBeLessThan(before + 5)
  await second.close()
  taken.close()
})

test('a change is told after the first attempt and when DNS answers, and not with each attempt', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port: wanted } = taken.address() as AddressInfo
  const other = createSocket('udp4').bind(wanted, '127.0.0.1')
  await once(other, 'listening')
  const told: (string | undefined)[] = []
  const waiting: DnsServer = startDnsServer({
    ...{ address: '127.0.0.1', port: wanted, log: readableLog().log, retryMs: 5 },
    responder: createResponder({
      viewOf: all,
      forwarder: createForwarder({ resolvers: () => [], port: 1, timeoutMs: 1 }),
    }),
    onChange: () => told.push(waiting.status().lastError),
  })
  await until('TCP is taken', () => told.length > 0)
  taken.close()
  await until('UDP is taken', () => waiting.status().lastError?.startsWith('bind') === true)
  other.close()
  await until('it answers', () => waiting.status().lastError === undefined)
  await waiting.close()
  expect(told).toEqual([expect.stringMatching(/^listen EADDRINUSE/), undefined])
})
