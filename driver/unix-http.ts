/**
 * HTTP over a unix socket, for dockerd's socket and the driver's own. Only modules of Node's, so that
 * commands start fast.
 */
import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export interface UnixRequest {
  method: Method
  path: string
  /** Sent as JSON. */
  body?: object | undefined
  headers?: Record<string, string>
  signal?: AbortSignal
  agent?: Agent
}

export interface UnixAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** Resolves with the answer's head; its body is still to be read, as text. Rejects with Node's own errors. */
export function open(socketPath: string, { body, headers, ...rest }: UnixRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) }
    const sent = request({ socketPath, headers: all, ...rest }, (answer) =>
      resolve(answer.setEncoding('utf8')),
    )
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** The whole answer. Rejects when it is not there within `timeoutMs`. */
export async function exchange(
  socketPath: string,
  { timeoutMs, ...rest }: Omit<UnixRequest, 'signal'> & { timeoutMs: number },
): Promise<UnixAnswer> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const answer = await open(socketPath, { ...rest, signal })
    return { status: answer.statusCode ?? 500, headers: answer.headers, text: await textOf(answer) }
  } catch (cause) {
    throw signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`, { cause }) : cause
  }
}

export async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) text += chunk
  return text
}
