/**
 * Consul's HTTP API, as far as the store needs it: list a folder, run a transaction, keep a session.
 *
 * The `consul` package is not maintained any more and its errors do not say what failed, so it is wrapped
 * here and imported nowhere else. Of several servers one is asked until it fails (servers.ts). Lists do not
 * use the package: their limit is a time of silence, not a total time, because reading a large store on a
 * busy machine takes longer than any other call may. The number of sockets is limited, because Consul closes
 * the 201st connection of one address.
 */
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, get as httpsGet } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import Consul from 'consul'
import { defined } from '../../core/defined.ts'
import { DriverError } from '../../core/errors.ts'
import type { Log } from '../../log.ts'
import {
  followable,
  hasSessionIn,
  type Item,
  indexOf,
  itemsIn,
  notConsul,
  sessionIn,
  sessionsIn,
} from './answers.ts'
import { type CertificateFiles, type Certificates, openCertificates, type Pem } from './certificates.ts'
import { type Failure, failureOf, isDistrust, isRefusal, leastTtlMs } from './failures.ts'
import { askInTurn, type Call, type CallSort, type Moved } from './servers.ts'
import { openToken, type Token } from './token.ts'
import { bareHost, type StoreAddress } from './url.ts'

export interface ClientOptions {
  /** Called after every transaction that has changed Consul, with its operations. */
  wrote?: ((what: string) => void) | undefined
  address: StoreAddress
  timeoutMs: number
  /** Of the ACL token. It is read again when Consul refuses the token. */
  tokenFile?: string | undefined
  /** They are read again when a connection fails. */
  tls?: CertificateFiles | undefined
  /** Called after every call. Undefined when a server has answered, with success or an error. */
  heard?: (failure: DriverError | undefined, sort: CallSort) => void
  log?: Log | undefined
}

export interface Listing {
  items: Item[]
  /** `X-Consul-Index`: what a blocking query waits above. */
  index: number
  /** Length of the answer. */
  bytes: number
  /**
   * The token may not read all keys of the folder, and the answer lacks those. Consul says so from 1.11 on,
   * except to the anonymous token (`X-Consul-Results-Filtered-By-ACLs`; consul/agent/http.go).
   */
  filtered?: boolean
}

export interface Session {
  id: string
  ttlMs: number
}

export type TxnStep = {
  Verb: 'get' | 'cas' | 'check-index' | 'check-not-exists' | 'delete-cas' | 'delete' | 'delete-tree' | 'lock'
  Key: string
  Value?: string
  Index?: number
  Flags?: number
  Session?: string
}

/** The first operation that was refused. */
export interface TxnConflict {
  failedStep: number
}

export interface ConsulClient {
  list(prefix: string, query?: ListQuery): Promise<Listing>
  /** The index of the last operation's key, or the first operation that was refused. */
  transact(steps: readonly TxnStep[]): Promise<{ index: number } | TxnConflict>
  /** The session's TTL is longer than the wanted one where Consul demands it (`session_ttl_min`). */
  createSession(name: string, ttlMs: number): Promise<Session>
  /** False when Consul does not know the session. */
  renewSession(id: string): Promise<boolean>
  destroySession(id: string): Promise<void>
  /**
   * Asks consistently. Without `?consistent`, a Consul that has just started answers from an old state until
   * it has replayed its log. Undefined where Consul says that the token may not see the session: from 1.11
   * on, except to the anonymous token. Else such a session looks ended.
   */
  hasSession(id: string): Promise<boolean | undefined>
  /** Of several servers, keeps to another one whose list of the folder fits. */
  moveTo(prefix: string, fits: (listing: Listing) => boolean): Promise<Moved>
  close(): void
}

export interface ListQuery {
  /** Answers when the folder's index exceeds this one, or after `waitMs`. */
  index?: number
  waitMs?: number
  /** Answered by a leader that has verified its leadership. */
  consistent?: boolean
  /**
   * Waits as long as Consul answers other calls meanwhile: preparing the answer of a large store takes a
   * while.
   */
  patient?: boolean
  signal?: AbortSignal
}

const maxSockets = 32
/** Connections that stay open for the next call; a burst's other connections are closed. */
const maxFreeSockets = 4

/** Throws `unavailable` while a file of the options cannot be read. */
export function createClient(options: ClientOptions): ConsulClient {
  const { servers, close } = serversOf(options)
  const call = renewing(askInTurn(servers, options))
  const read = { isRead: true, sort: 'read' } as const
  const session = { sort: 'session' } as const

  return {
    list: (prefix, query = {}) => call((at, withinMs) => listOrRenew(at, prefix, query, withinMs), read),
    async transact(steps) {
      const writes = steps.filter(({ Verb }) => !/^(get|check)/.test(Verb))
      const sort = writes.length > 0 ? 'write' : 'read'
      const answer = await call((at, withinMs) => transact(at, steps, withinMs), { sort })
      if (!('failedStep' in answer) && writes.length > 0) {
        options.wrote?.(writes.map(({ Verb, Key }) => `${Verb} ${Key}`).join('; '))
      }
      return answer
    },
    createSession: (name, ttlMs) =>
      call((at, withinMs) => createSession(at, { name, ttlMs }, withinMs), session),
    renewSession: (id) =>
      call((at, withinMs) => isThere(at.consul.session.renew(asked(at, withinMs, { id })).then(sessionsIn)), {
        ...session,
        isRead: true,
      }),
    destroySession: async (id) => {
      await call((at, withinMs) => isThere(at.consul.session.destroy(asked(at, withinMs, { id }))), session)
    },
    hasSession: async (id) => uuid.test(id) && call((at, withinMs) => hasSession(at, id, withinMs), read),
    moveTo: (prefix, fits) =>
      call.moveTo(async (at, withinMs) => {
        const listing = await list(at, prefix, { consistent: true }, withinMs)
        if (listing.filtered === true) throw filteredOut(prefix)
        return fits(listing)
      }),
    close,
  }
}

/** As Consul refuses a read of one key: what a filtered list lacks may be there. */
function filteredOut(prefix: string): Failure {
  const body = `Permission denied: the token may not read every key under ${prefix}`
  return Object.assign(new Error(body), { response: { statusCode: 403, body } })
}

type Question<T> = (at: ConsulAt, withinMs: number) => Promise<T>

/**
 * A call that Consul refuses is made once more when the file has another token by then, and one that fails by
 * a certificate when its files have another one.
 */
function renewing(call: Call<ConsulAt>): Call<ConsulAt> {
  const renewed: Call<ConsulAt> = (what, kind) => call(withRenewal(what), kind)
  renewed.moveTo = (fits) => call.moveTo(withRenewal(fits))
  return renewed
}

function withRenewal<T>(what: Question<T>): Question<T> {
  return async (at, withinMs) => {
    const end = performance.now() + withinMs
    const used = { token: at.token.text(), pem: at.certificates.pem() }
    try {
      return await what(at, withinMs)
    } catch (error) {
      const isRenewed = isRefusal(error) ? at.token.renew(used.token) : renewCertificates(at, used.pem, error)
      if (!isRenewed) throw error
      return what(at, Math.max(1, end - performance.now()))
    }
  }
}

/**
 * True where the call may be made once more. A connection that ends without a word may have been refused for
 * this host's certificate, and may have begun a change: the next call has the new one.
 */
function renewCertificates({ agent, certificates, options }: ConsulAt, used: Pem, error: unknown): boolean {
  if (!options.address.secure || (error as Failure).response !== undefined) return false
  if (!certificates.renew(used)) return false
  // Node reads them for each new connection.
  Object.assign((agent as HttpsAgent).options, certificates.pem())
  return isDistrust(error as Failure)
}

/** One server, and how it is asked. */
interface ConsulAt {
  url: string
  agent: Agent
  consul: Consul
  token: Token
  certificates: Certificates
  options: ClientOptions
  failureOf(error: unknown): DriverError
}

function serversOf(options: ClientOptions): { servers: ConsulAt[]; close(): void } {
  const { secure, prefix, servers } = options.address
  const certificates = openCertificates(secure ? (options.tls ?? {}) : {})
  const agent = agentFor(options.address, certificates)
  const token = openToken(options.tokenFile)
  const lack = token.lack()
  if (lack !== undefined) options.log?.warn({}, `${lack}: Consul is asked without a token`)
  const all = servers.map((server) => ({
    url: `${secure ? 'https' : 'http'}://${server.host}:${server.port}`,
    agent,
    consul: unbracketed(new Consul({ secure, ...server, agent }), bareHost(server)),
    token,
    certificates,
    options,
    failureOf: (error: unknown) =>
      withLack(failureOf(error as Failure, { secure, servers: [server], prefix }), token.lack()),
  }))
  return { servers: all, close: () => agent.destroy() }
}

/** `lack`: of the token. */
function withLack(failure: DriverError, lack: string | undefined): DriverError {
  const { code, message, hint, cause } = failure
  if (lack === undefined || !isRefusal(cause)) return failure
  return new DriverError(code, `${message} (${lack})`, { ...defined({ hint }), cause })
}

/** The package builds a URL, and gives Node its host with the brackets of IPv6, which Node takes for a name. */
function unbracketed(consul: Consul, hostname: string): Consul {
  type Change = (request: { req: { hostname: string } }, next: () => void) => void
  // Documented as client._ext(event, callback) by papi, whose client it is; its types lack it.
  const own = consul as Consul & { _ext(event: 'onRequest', change: Change): void }
  own._ext('onRequest', ({ req }, next) => {
    req.hostname = hostname
    next()
  })
  return consul
}

/**
 * Asks each server who leads, which takes no token; an answer for each. Throws `unavailable` while a
 * file of the options cannot be read.
 */
export async function askLeaders(
  options: ClientOptions,
): Promise<PromiseSettledResult<Pick<Answer, 'body' | 'date' | 'certificateEndsAt'>>[]> {
  const { servers, close } = serversOf(options)
  const ask = (server: ConsulAt) =>
    askInTurn([server], options)((at, silenceMs) => read(at, '/v1/status/leader', { silenceMs }), {
      isRead: true,
      sort: 'read',
    })
  const answers = await Promise.allSettled(servers.map(ask))
  close()
  return answers
}

/** With several servers, a connection that is not made soon is given up, so that another server gets the call. */
const connectWithinMs = 1000

function agentFor(address: StoreAddress, certificates: Certificates): Agent {
  const pool = { keepAlive: true, maxSockets, maxFreeSockets }
  const agent = address.secure
    ? new HttpsAgent({
        ...pool,
        ...certificates.pem(),
        // As Go's programs do: an authority of the file is trusted, also where another one has signed it.
        allowPartialTrustChain: true,
      })
    : new HttpAgent(pool)
  return address.servers.length > 1 ? connectingSoon(agent) : agent
}

function connectingSoon(agent: Agent): Agent {
  // Documented as agent.createConnection(options[, callback]); its types lack it.
  const own = agent as Agent & { createConnection(...args: unknown[]): Socket | undefined }
  const connect = own.createConnection.bind(agent)
  own.createConnection = (...args) => {
    const socket = connect(...args)
    const giveUp = (): unknown => socket?.destroy(new Error(`connect ETIMEDOUT within ${connectWithinMs} ms`))
    const timer = setTimeout(giveUp, connectWithinMs)
    const end = (): void => clearTimeout(timer)
    socket?.on('connect', end).on('close', end)
    return socket
  }
  return agent
}

/** A list that the token's rights have shortened is asked for again when the file has another token by then. */
async function listOrRenew(at: ConsulAt, key: string, query: ListQuery, withinMs: number): Promise<Listing> {
  const used = at.token.text()
  const listing = await list(at, key, query, withinMs)
  return listing.filtered === true && at.token.renew(used) ? list(at, key, query, withinMs) : listing
}

async function list(at: ConsulAt, key: string, query: ListQuery, withinMs: number): Promise<Listing> {
  const { index, waitMs = 0, consistent, patient, signal } = query
  const asked = [
    'recurse',
    ...(index === undefined ? [] : [`index=${index}`, `wait=${waitMs}ms`]),
    ...(consistent === true ? ['consistent'] : []),
  ]
  const path = key.split('/').map(encodeURIComponent).join('/')
  const get = (what: string, bounds: Bounds): Promise<Answer> => read(at, what, bounds)
  // Consul adds up to a sixteenth to a wait, so that many watches do not return at once.
  const silenceMs = withinMs + waitMs * (1 + 1 / 16)
  const half = { silenceMs: silenceMs / 2 }
  const bounds =
    patient === true ? { ...half, isAlive: leaderStays(() => get('/v1/status/leader', half)) } : { silenceMs }
  const { body, index: now, filtered } = await get(`/v1/kv/${path}?${asked.join('&')}`, { ...bounds, signal })
  return { items: itemsIn(body), index: followable(now), bytes: body.length, filtered }
}

/**
 * Resolves while the first leader that was found leads. A server answers by itself who leads, also when it
 * waits for the answer of a leader that is gone.
 */
function leaderStays(ask: () => Promise<Answer>): () => Promise<void> {
  let first: string | undefined
  return async () => {
    const { body } = await ask()
    if (body !== '""') first ??= body
    if (body !== first) throw new Error(`the leader is ${body}`)
  }
}

interface Bounds {
  silenceMs: number
  /**
   * Called at first, and after every such silence, at most `patience` times. While it resolves, the silence
   * may continue.
   */
  isAlive?: () => Promise<void>
  signal?: AbortSignal | undefined
}

const patience = 30

function read({ url, agent, token, options }: ConsulAt, path: string, bounds: Bounds): Promise<Answer> {
  const { silenceMs, isAlive, signal } = bounds
  const get = options.address.secure ? httpsGet : httpGet
  const secret = token.text()
  const headers = secret === undefined ? {} : { 'x-consul-token': secret }
  void isAlive?.().catch(() => 'asked again after a silence')
  return new Promise((resolve, reject) => {
    const request = get(`${url}${path}`, { agent, headers, ...(signal && { signal }) })
    let silences = 0
    let done = false
    const goOn = (): void => {
      if (!done) silence.refresh()
    }
    const giveUp = (): void => {
      request.destroy(new Error(`request timed out (${Math.round(silenceMs)}ms)`))
    }
    const silent = (): void => {
      silences += 1
      if (isAlive === undefined || silences > patience) giveUp()
      else isAlive().then(goOn, giveUp)
    }
    const silence = setTimeout(silent, silenceMs)
    const end = (): void => {
      done = true
      clearTimeout(silence)
    }
    request.on('error', reject).on('close', end)
    request.on('response', (response) => void answerOf(response, goOn).then(resolve, reject))
  })
}

async function answerOf(response: IncomingMessage, onChunk: () => void): Promise<Answer> {
  const certificateEndsAt = certificateEndOf(response)
  const chunks: Buffer[] = []
  for await (const chunk of response) {
    onChunk()
    chunks.push(chunk)
  }
  const { statusCode = 0, headers } = response
  const body = Buffer.concat(chunks).toString()
  if (statusCode === 200 || statusCode === 404) {
    const filtered = headers['x-consul-results-filtered-by-acls'] === 'true'
    const index = Number(headers['x-consul-index'] ?? 0)
    return { body, index, filtered, date: headers.date, certificateEndsAt }
  }
  throw Object.assign(new Error(body), { response: { statusCode, body } })
}

function certificateEndOf({ socket }: IncomingMessage): number | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const endsAt = Date.parse(socket.getPeerCertificate().valid_to)
  return Number.isNaN(endsAt) ? undefined : endsAt
}

async function transact(
  at: ConsulAt,
  steps: readonly TxnStep[],
  withinMs: number,
): Promise<{ index: number } | TxnConflict> {
  const operations = steps.map((step) => ({ KV: step }))
  try {
    // The package's types spell the operations otherwise than Consul; Consul's own spelling is what is sent.
    const answer = await at.consul.transaction.create(operations as never, asked(at, withinMs, {}) as never)
    return { index: indexOf(answer, steps) }
  } catch (error) {
    const conflict = conflictIn(error)
    if (conflict === undefined) throw error
    return conflict
  }
}

async function createSession(
  at: ConsulAt,
  { name, ttlMs }: Omit<Session, 'id'> & { name: string },
  withinMs: number,
): Promise<Session> {
  const create = async (ms: number): Promise<Session> => {
    // Without checks: the session tells of the driver, not of the agent that it happened to reach.
    const wanted = { name, ttl: `${ms / 1000}s`, behavior: 'release' as const, checks: [], lockdelay: '0s' }
    return { id: sessionIn(await at.consul.session.create(asked(at, withinMs, wanted))), ttlMs: ms }
  }
  try {
    return await create(ttlMs)
  } catch (error) {
    const least = leastTtlMs(error as Failure)
    if (least === undefined || least <= ttlMs) throw error
    return create(least)
  }
}

/** Consul's sessions are UUIDs, and it answers a question for anything else with an error. */
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

async function hasSession(at: ConsulAt, id: string, withinMs: number): Promise<boolean | undefined> {
  const answer = await read(at, `/v1/session/info/${id}?consistent`, { silenceMs: withinMs })
  followable(answer.index)
  return hasSessionIn(answer.body) || (answer.filtered ? undefined : false)
}

/** A refused operation is 409 with its number. A forbidden operation has 409 too. */
function conflictIn(error: unknown): TxnConflict | undefined {
  const { response } = error as Failure
  if (response?.statusCode !== 409) return undefined
  const failed = (response.body as { Errors?: { OpIndex: number; What: string }[] })?.Errors ?? []
  const denied = failed.find(({ What }) => /permission denied/i.test(What))
  if (denied !== undefined) throw new Error(denied.What)
  const failedStep = Math.min(...failed.map(({ OpIndex }) => OpIndex))
  if (!Number.isInteger(failedStep)) throw notConsul(response.body)
  return { failedStep }
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

type Agent = HttpAgent | HttpsAgent

interface Answer {
  body: string
  /** `X-Consul-Index` */
  index: number
  filtered: boolean
  /** Consul's clock, in full seconds. */
  date: string | undefined
  /** By TLS; in milliseconds since 1970. A session that TLS resumes may not show the certificate. */
  certificateEndsAt: number | undefined
}

/**
 * The package accepts `timeout` and `token` everywhere; its types declare them nowhere. It writes the timeout
 * into its error as it is.
 */
function asked<T extends object>({ token }: ConsulAt, withinMs: number, options: T): T & { timeout: number } {
  return { ...options, timeout: Math.ceil(withinMs), ...defined({ token: token.text() }) }
}
