/**
 * The routes of the main table, also of a router with 100,000 of them (BGP, block lists).
 *
 * The driver asks every few seconds. What `ip` printed is parsed again only when it has changed, and in
 * pieces, between which the event loop has its turn: Docker's calls do not wait for it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Route } from '../core/routes.ts'
import { routesIn } from './parse.ts'

const families = ['-4', '-6'] as const

/** `show`: what `ip -j FAMILY route show` prints. The answer is the same list while that is the same. */
export function routeReader(show: (family: string) => Promise<string>): () => Promise<readonly Route[]> {
  let last: { texts: string[]; routes: readonly Route[] } | undefined
  return async () => {
    const texts = await Promise.all(families.map(show))
    if (last?.texts.every((text, i) => text === texts[i])) return last.routes
    const routes: Route[] = []
    for (const piece of texts.flatMap((text) => piecesOf(text))) {
      for (const route of routesIn(piece)) routes.push(route)
      await turn()
    }
    last = { texts, routes }
    return routes
  }
}

const pieceLength = 100_000
/** The hops and metrics inside of a route begin with neither word. */
const nextRoute = /\},\{(?="(?:dst|type)":)/g

/** Each piece is an array of its own. */
function piecesOf(text: string): string[] {
  const pieces: string[] = []
  let from = 0
  for (;;) {
    nextRoute.lastIndex = from + pieceLength
    const found = nextRoute.lastIndex < text.length ? nextRoute.exec(text) : null
    const opens = from === 0 ? '' : '['
    if (found === null) return [...pieces, `${opens}${text.slice(from)}`]
    pieces.push(`${opens}${text.slice(from, found.index + 1)}]`)
    from = found.index + 2
  }
}
