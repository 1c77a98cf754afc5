/**
 * Consul's HTTP API, as far as the store needs it: list a folder, run a transaction, keep a session.
 *
 * The `consul` package is no longer maintained, so it is wrapped here and imported nowhere else. What it does not
 * do by itself: hand out `X-Consul-Index`, end a call by a signal, and say what failed in words that help. Every
 * call is bounded. Sockets are limited, because Consul closes the 201st connection of one address.
 */
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import Consul from 'consul'
import { DriverError } from '../core/errors.ts'
import { type StoreAddress, showAddress } from './url.ts'

export interface ClientOptions {
  address: StoreAddress
  timeoutMs: number
  token?: string | undefined
  /** Files in PEM. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string } | undefined
  /** After every call: undefined when Consul has answered, whatever it said. */
  heard?: (failure: DriverError | undefined) => void
}

export interface Item {
  key: string
  index: number
  text: string
}

export interface Listing {
  items: Item[]
  /** `X-Consul-Index`: what a blocking query waits above. */
  index: number
}

export type TxnStep = {
  Verb: 'cas' | 'check-index' | 'delete-cas' | 'delete'
  Key: string
  Value?: string
  Index?: number
  Flags?: number
}

/** The first step that did not hold. */
export interface TxnConflict {
  failedStep: number
}

export interface ConsulClient {
  list(prefix: string, query?: ListQuery): Promise<Listing>
  /** The index that Consul gave to the last step's key, or the first step that did not hold. */
  transact(steps: readonly TxnStep[]): Promise<{ index: number } | TxnConflict>
  createSession(name: string, ttlMs: number): Promise<string>
  /** False when Consul does not know the session (any more). */
  renewSession(id: string): Promise<boolean>
  destroySession(id: string): Promise<void>
  sessions(): Promise<string[]>
  close(): void
}

export interface ListQuery {
  /** Answer when the folder's index is above this one, or after `waitMs`. */
  index?: number
  waitMs?: number
  /** Asked of a leader that has made sure that it is still the leader. */
  consistent?: boolean
  signal?: AbortSignal
}

const maxSockets = 32

export function createClient(options: ClientOptions): ConsulClient {
  const { address, timeoutMs, token } = options
  const agent = agentFor(options)
  const { secure, host, port } = address
  const defaults = token === undefined ? {} : { token }
  const consul = new Consul({ secure, host, port, agent, defaults })
  const call = <T>(what: () => Promise<T>): Promise<T> => heard(what, options)
  const timeout = timeoutMs

  return {
    list: (prefix, query = {}) => call(() => list(consul, prefix, query, timeoutMs)),
    transact: (steps) => call(() => transact(consul, steps, timeoutMs)),
    async createSession(name, ttlMs) {
      // Without checks: the session tells of the driver, not of the agent that it happened to reach.
      const wanted = { name, ttl: `${ttlMs / 1000}s`, behavior: 'release' as const, checks: [], timeout }
      return (await call(() => consul.session.create(wanted))).ID
    },
    renewSession: (id) => call(() => isThere(consul.session.renew(withTimeout({ id }, timeout)))),
    destroySession: async (id) => {
      await call(() => isThere(consul.session.destroy(withTimeout({ id }, timeout))))
    },
    sessions: async () => {
      const all = await call(() => consul.session.list(withTimeout<{ dc?: string }>({}, timeout)))
      return all.map(({ ID }) => ID)
    },
    close: () => agent.destroy(),
  }
}

function agentFor({ address, tls = {} }: ClientOptions): HttpAgent | HttpsAgent {
  const pool = { keepAlive: true, maxSockets }
  if (!address.secure) return new HttpAgent(pool)
  return new HttpsAgent({
    ...pool,
    ...(tls.caFile === undefined ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === undefined ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === undefined ? {} : { key: readFileSync(tls.keyFile) }),
  })
}

async function list(consul: Consul, key: string, query: ListQuery, timeoutMs: number): Promise<Listing> {
  const { index, waitMs = 0, consistent, signal } = query
  // Consul adds up to a sixteenth to a wait, so that many watchers do not come back at once.
  const timeout = timeoutMs + waitMs * (1 + 1 / 16)
  const { ctx, done } = abortable(signal)
  try {
    const asked = {
      key,
      recurse: true,
      ...(index === undefined ? {} : { index: String(index), wait: `${waitMs}ms` }),
      ...(consistent === true ? { consistent } : {}),
      ...{ ctx, timeout },
    }
    // With `includeResponse` the package answers [response, items], and [response] for an empty folder.
    const [response, items = []] = (await consul.kv.get(asked)) as unknown as [Response, RawItem[]?]
    return { items: items.map(itemOf), index: Number(response.headers['x-consul-index'] ?? 0) }
  } finally {
    done()
  }
}

async function transact(
  consul: Consul,
  steps: readonly TxnStep[],
  timeout: number,
): Promise<{ index: number } | TxnConflict> {
  const operations = steps.map((step) => ({ KV: step }))
  try {
    // The package's types are of another spelling than what it sends on; Consul's own is what arrives.
    const answer = await consul.transaction.create(operations as never, withTimeout({}, timeout) as never)
    const written = answer.Results?.at(-1)?.KV as { ModifyIndex: number } | undefined
    return { index: written?.ModifyIndex ?? 0 }
  } catch (error) {
    const conflict = conflictIn(error)
    if (conflict === undefined) throw error
    return conflict
  }
}

/** A step that did not hold is 409 with the step's number; a step that is not allowed has 409 too. */
function conflictIn(error: unknown): TxnConflict | undefined {
  const { response } = error as Failure
  if (response?.statusCode !== 409) return undefined
  const failed = (response.body as { Errors?: { OpIndex: number; What: string }[] })?.Errors ?? []
  const denied = failed.find(({ What }) => /permission denied/i.test(What))
  if (denied !== undefined) throw new Error(denied.What)
  return { failedStep: Math.min(...failed.map(({ OpIndex }) => OpIndex)) }
}

async function isThere(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer
    return true
  } catch (error) {
    if ((error as Failure).response?.statusCode === 404) return false
    throw error
  }
}

async function heard<T>(what: () => Promise<T>, options: ClientOptions): Promise<T> {
  try {
    const answer = await what()
    options.heard?.(undefined)
    return answer
  } catch (error) {
    const failure = failureOf(error as Failure, options.address)
    options.heard?.(failure.code === 'unavailable' ? failure : undefined)
    throw failure
  }
}

interface Failure extends Error {
  response?: { statusCode: number; body?: unknown }
}

function failureOf(error: Failure, address: StoreAddress): DriverError {
  const where = showAddress(address)
  const body = error.response?.body
  const said =
    typeof body === 'string' && body !== '' ? body.trim().slice(0, 200) : withoutCall(error.message)
  if (error.response?.statusCode === 413) {
    return new DriverError('invalid', `the change is too large for Consul: ${said}`, { cause: error })
  }
  if (/permission denied|ACL not found/i.test(said)) {
    const hint = `give the driver a token that may write under ${address.prefix}/ and create sessions`
    return new DriverError('unavailable', `Consul at ${where} refuses: ${said}`, { hint, cause: error })
  }
  return new DriverError('unavailable', `Consul at ${where} does not answer: ${said}`, {
    hint: 'running containers are not affected; it goes on by itself when Consul is back',
    cause: error,
  })
}

/** The package puts `consul: kv.get: ` before what happened. */
function withoutCall(message: string): string {
  return message.replace(/^consul: [\w.]+: /i, '')
}

interface Response {
  headers: Record<string, string | undefined>
}

interface RawItem {
  Key: string
  ModifyIndex: number
  Value: string | null
}

function itemOf({ Key, ModifyIndex, Value }: RawItem): Item {
  return { key: Key, index: ModifyIndex, text: Value ?? '' }
}

/** The package takes `timeout` everywhere; its types know it nowhere. */
function withTimeout<T extends object>(options: T, timeout: number): T & { timeout: number } {
  return { ...options, timeout }
}

/** What the package wants instead of a signal. */
function abortable(signal: AbortSignal | undefined): { ctx: EventEmitter; done: () => void } {
  const ctx = Object.assign(new EventEmitter(), { includeResponse: true, canceled: signal?.aborted === true })
  const cancel = (): void => {
    ctx.canceled = true
    ctx.emit('cancel')
  }
  signal?.addEventListener('abort', cancel, { once: true })
  return { ctx, done: () => signal?.removeEventListener('abort', cancel) }
}
