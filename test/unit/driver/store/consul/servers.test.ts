import { expect, test } from 'vitest'
import { DriverError } from '../../../../../driver/core/errors.ts'
import { askInTurn } from '../../../../../driver/store/consul/servers.ts'

type Answer = () => string | Promise<string>

const timeoutMs = 200

/** Servers by what they answer; the log has who was asked, and what was heard. */
function asking(answers: Record<string, Answer>) {
  const log: string[] = []
  const servers = Object.keys(answers).map((name) => ({
    name,
    failureOf: (error: unknown) => {
      const { message } = error as Error
      return new DriverError(/too large/.test(message) ? 'invalid' : 'unavailable', `${name}: ${message}`)
    },
  }))
  const heard = (failure: DriverError | undefined): void => void log.push(failure?.message ?? 'heard')
  const call = askInTurn(servers, { heard, timeoutMs })
  const answerOf = async ({ name }: { name: string }) => {
    log.push(name)
    return answers[name]?.()
  }
  return {
    log,
    ask: () => call(answerOf, { sort: 'write' }),
    read: () => call(answerOf, { isRead: true, sort: 'read' }),
    moveTo: (wanted: string) => call.moveTo(async (at) => (await answerOf(at)) === wanted),
  }
}

const fails = (message: string): Answer => {
  return () => {
    throw new Error(message)
  }
}
const refused = fails('connect ECONNREFUSED')

test('the server that answers is asked again', async () => {
  const { ask, log } = asking({ a: refused, b: () => 'b', c: () => 'c' })
  expect(await ask()).toBe('b')
  expect(await ask()).toBe('b')
  expect(log).toEqual(['a', 'b', 'heard', 'b', 'heard'])
})

const answers = (statusCode: number, body: string): Answer => {
  return () => {
    throw Object.assign(new Error(`consul: ${statusCode}`), { response: { statusCode, body } })
  }
}

test.each([
  [500, 'No cluster leader'],
  [500, 'rpc error making call: No cluster leader'],
  [500, 'No known Consul servers'],
  [429, 'rate limit exceeded, try again later or against a different server'],
  [500, 'rpc error making call: rate limit exceeded, try again later or against a different server'],
  [503, 'rate limit exceeded for operation that can only be performed by the leader, try again later'],
  [429, 'Your IP is issuing too many concurrent connections, please rate limit your calls\n'],
  [429, ''],
])('a server that answers %i "%s" has begun nothing', async (statusCode, body) => {
  const { ask, log } = asking({ a: answers(statusCode, body), b: () => 'b' })
  expect(await ask()).toBe('b')
  expect(log).toEqual(['a', 'b', 'heard'])
})

test.each([
  [500, 'rpc error making call: leadership lost while committing log'],
  [500, 'No cluster leader: the change may be applied'],
  [503, 'upstream connect error or disconnect/reset before headers'],
])('a server that answers %i "%s" may have begun', async (statusCode, body) => {
  const { ask, log } = asking({ a: answers(statusCode, body), b: () => 'b' })
  await expect(ask()).rejects.toThrow('a: ')
  expect(log).toEqual(['a', `a: consul: ${statusCode}`])
})

test('what a server may have begun is not repeated; the next call goes elsewhere', async () => {
  const { ask, log } = asking({ a: fails('request timed out'), b: () => 'b' })
  await expect(ask()).rejects.toThrow('a: request timed out')
  expect(await ask()).toBe('b')
  expect(log).toEqual(['a', 'a: request timed out', 'b', 'heard'])
})

test('with all servers away, each is asked once, and the failure is the last one’s', async () => {
  const { ask, log } = asking({ a: refused, b: refused })
  await expect(ask()).rejects.toThrow('b: connect ECONNREFUSED')
  expect(log).toEqual(['a', 'b', 'b: connect ECONNREFUSED'])
})

test('calls that fail together leave the server once', async () => {
  const { ask, log } = asking({ a: fails('request timed out'), b: () => 'b', c: () => 'c' })
  await Promise.allSettled([ask(), ask()])
  expect(await ask()).toBe('b')
  expect(log.filter((each) => each === 'c')).toEqual([])
})

test('a server that refuses a change has answered', async () => {
  const { ask, log } = asking({ a: fails('too large'), b: () => 'b' })
  await expect(ask()).rejects.toThrow('a: too large')
  await expect(ask()).rejects.toThrow('a: too large')
  expect(log).toEqual(['a', 'heard', 'a', 'heard'])
})

test('a read is repeated on another server, whatever the first one has begun', async () => {
  const { read, log } = asking({ a: fails('read ECONNRESET'), b: () => 'b' })
  expect(await read()).toBe('b')
  expect(log).toEqual(['a', 'b', 'heard'])
})

test('the limit of a call is that of all its repetitions', async () => {
  const late: Answer = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1.5 * timeoutMs))
    return fails('request timed out')()
  }
  const { read, log } = asking({ a: late, b: () => 'b' })
  await expect(read()).rejects.toThrow('a: request timed out')
  expect(log).toEqual(['a', 'a: request timed out'])
})

test('a call that its caller gives up says nothing about the server', async () => {
  const given: Answer = () => {
    throw Object.assign(new Error('The operation was aborted'), { name: 'AbortError' })
  }
  const { ask, log } = asking({ a: given, b: () => 'b' })
  await expect(ask()).rejects.toThrow('aborted')
  await expect(ask()).rejects.toThrow('aborted')
  expect(log).toEqual(['a', 'a'])
})

test('another server is chosen by what it has', async () => {
  const { ask, moveTo } = asking({ a: () => 'a', b: refused, c: () => 'c' })
  expect(await moveTo('c')).toEqual({ is: 'moved' })
  expect(await ask()).toBe('c')
  expect(await moveTo('nothing')).toMatchObject({
    is: 'silent',
    failure: { message: 'b: connect ECONNREFUSED' },
  })
  expect(await ask()).toBe('c')
})
