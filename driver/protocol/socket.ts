/**
 * A root-only unix socket with an HTTP application behind it.
 *
 * The file of a driver that was killed is replaced, a live driver's never. Idle connections are not closed: the
 * engine keeps them, and would send a request into one that is just going, then repeat it with an empty body.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { DriverError } from '../core/errors.ts'

export interface Listener {
  /** Takes no further request; resolves when those under way are answered. */
  close(): Promise<void>
}

/** Throws `taken` when somebody answers on the socket. */
export async function checkFree(path: string): Promise<void> {
  if (await answers(path)) throw inUse(path)
}

/** Throws `taken` when somebody answers on the socket. */
export async function listenOn(path: string, app: Hono, mode = 0o600): Promise<Listener> {
  await mkdir(dirname(path), { recursive: true })
  await checkFree(path)
  await rm(path, { force: true })
  const answer = getRequestListener(app.fetch)
  const server = createServer((request, response) => {
    // On a unix socket it means nothing, and engine 20.10 says the path of the socket, which is no valid name.
    request.headers.host = 'localhost'
    return answer(request, response)
  })
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 10_000, headersTimeout: 10_000 })
  await listen(server, path, mode)
  return { close: () => close(server) }
}

async function listen(server: Server, path: string, mode: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // The socket is made within this call, and is private from its first moment; chmod then opens it as asked.
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  await chmod(path, mode)
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A connection that is answered after this moment turns idle and would be kept.
    const sweep = setInterval(() => server.closeIdleConnections(), 20)
    server.close(() => {
      clearInterval(sweep)
      resolve()
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

function inUse(path: string): DriverError {
  return new DriverError('taken', `another driver answers on ${path}`, {
    hint: 'stop it (systemctl stop multihost), or choose another path with --socket',
  })
}
