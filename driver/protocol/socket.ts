/**
 * A root-only unix socket with an HTTP application.
 *
 * The socket file of a driver that was killed is replaced, a live driver's never. Idle connections stay open:
 * the engine keeps them, and would send a request into one that is being closed, then repeat it with an empty
 * body.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { DriverError } from '../core/errors.ts'
import { makeRunFolder } from '../run-folder.ts'

export interface Listener {
  /** Accepts no further request. Resolves when the running ones are answered. */
  close(): Promise<void>
}

/** Throws `taken` when a process answers on the socket. */
export async function checkFree(path: string): Promise<void> {
  if (await answers(path)) throw inUse(path)
}

/** Throws `taken` when a process answers on the socket. */
export async function listenOn(path: string, app: Hono, mode = 0o600): Promise<Listener> {
  // The folder of a socket that is root's alone may be another program's, as /run/docker is.
  if (isForGroup(mode)) makeRunFolder(dirname(path))
  else await mkdir(dirname(path), { recursive: true })
  await checkFree(path)
  await rm(path, { force: true })
  const answer = getRequestListener(app.fetch)
  const server = createServer((request, response) => {
    // On a unix socket the header has no meaning, and engine 20.10 sends the socket's path, which is not a
    // valid host name.
    request.headers.host = 'localhost'
    return answer(request, response)
  })
  Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 10_000, headersTimeout: 10_000 })
  await listen(server, path, mode)
  return { close: () => close(server) }
}

function isForGroup(mode: number): boolean {
  return (mode & 0o070) !== 0
}

async function listen(server: Server, path: string, mode: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // The socket is created within this call and is private from the start; chmod then opens it as requested.
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  await chmod(path, mode)
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A connection whose request is answered from now on becomes idle and would stay open.
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
  return new DriverError('taken', `another driver is running: it answers on ${path}`, {
    hint: 'stop it (systemctl stop multihost), or choose another path with --socket',
  })
}
