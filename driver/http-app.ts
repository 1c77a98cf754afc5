/**
 * What answers on the driver's two sockets: from a request to an answer, both as text.
 *
 * Node's own HTTP server is all that is needed for a unix socket. The classes `Request` and `Response` of
 * other frameworks bring undici with them, which is 7 MB of memory.
 */

export interface Asked {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface Answer {
  status: number
  /** Of the content. */
  type: string
  text: string
}

/** Never throws. */
export type App = (asked: Asked) => Promise<Answer>

/** `name` is the part of the path that stands in the place of `:name`, decoded. */
type Handler = (asked: Asked, name: string) => Promise<Answer>

/** `['GET', '/services/:name', …]` */
export type Route = readonly [method: string, path: string, handler: Handler]

export function routed(
  routes: readonly Route[],
  unknown: (asked: Asked) => Answer,
  failed: (error: unknown) => Answer,
): App {
  return async (asked) => {
    try {
      for (const [method, path, handler] of routes) {
        const name = method === asked.method ? nameIn(path, asked.path) : undefined
        if (name !== undefined) return await handler(asked, name)
      }
      return unknown(asked)
    } catch (error) {
      return failed(error)
    }
  }
}

/** Empty for a path without a name. Undefined where the path is another one. */
function nameIn(pattern: string, path: string): string | undefined {
  const [parts, given] = [pattern.split('/'), path.split('/')]
  const at = parts.indexOf(':name')
  const isSame = parts.length === given.length && parts.every((part, i) => i === at || part === given[i])
  if (!isSame) return undefined
  return at < 0 ? '' : decoded(given[at] ?? '') || undefined
}

/** A stray percent sign is itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** `undefined` is `null` there. */
export function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json', text: JSON.stringify(value ?? null) }
}

export function plain(text: string, type = 'text/plain; charset=UTF-8'): Answer {
  return { status: 200, type, text }
}

/** Undefined where it is longer; the rest is not read. */
export async function textWithin({ body }: Asked, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
