/**
 * A root-only unix socket with an HTTP application.
 *
 * The socket file of a driver that was killed is replaced, a live driver's never.
 *
 * The engine repeats a request whose connection breaks, but with an empty body once it has sent the body. A
 * connection that is refused costs it nothing. So each connection carries one request, none is kept idle, and
 * a socket that closes refuses connections before it ends the last of those that it has accepted. Source:
 * moby v28.5.2, pkg/plugins/client.go, callWithRetry.
 */
import { statSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { DriverError } from '../core/errors.ts'
import type { App } from '../http-app.ts'
import { makeRunFolder } from '../run-folder.ts'

export interface Listener {
  /** Of the socket file, as it was made. */
  inode: number | undefined
  /** Refuses connections from now on. Resolves when the requests of the accepted ones are answered. */
  close(): Promise<void>
  /** The same for a socket whose file is gone or another's: no connection is on its way. */
  leave(): Promise<void>
}

/** An engine sends its request as soon as it is connected. */
const speaksWithinMs = 1000
const acceptedWithinMs = 50

/** Throws `taken` when a process answers on the socket. */
export async function checkFree(path: string): Promise<void> {
  if (await answers(path)) throw inUse(path)
}

/** Throws `taken` when a process answers on the socket. */
export async function listenOn(path: string, app: App, mode = 0o600): Promise<Listener> {
  // The folder of a socket that is root's alone may be another program's, as /run/docker is.
  if (isForGroup(mode)) makeRunFolder(dirname(path))
  else await mkdir(dirname(path), { recursive: true })
  await checkFree(path)
  await rm(path, { force: true })
  const silent = new Set<Socket>()
  const server = createServer((request, response) => {
    silent.delete(request.socket)
    response.shouldKeepAlive = false
    void answer(app, request, response)
  })
  Object.assign(server, { requestTimeout: 10_000, headersTimeout: 10_000 })
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  const inode = await listen(server, path, mode)
  return {
    inode,
    async close() {
      await rm(path, { force: true })
      await setTimeout(acceptedWithinMs)
      const end = performance.now() + speaksWithinMs
      while (silent.size > 0 && performance.now() < end) await setTimeout(10)
      const closed = close(server)
      for (const socket of silent) socket.destroy()
      await closed
    },
    leave: () => close(server),
  }
}

async function answer(app: App, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = request
  const [path = '/', query = ''] = url.split('?', 2)
  const { status, type, text } = await app({ method, path, query: new URLSearchParams(query), body: request })
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

function isForGroup(mode: number): boolean {
  return (mode & 0o070) !== 0
}

/** Resolves with the inode of the socket file. */
async function listen(server: Server, path: string, mode: number): Promise<number | undefined> {
  const inode = await new Promise<number | undefined>((resolve, reject) => {
    server.once('error', reject)
    // The socket is created within this call and is private from the start; chmod then opens it as requested.
    const mask = process.umask(0o177)
    server.listen(path, () => resolve(made))
    process.umask(mask)
    // At once: from now on another file may take its place.
    const made = statSync(path, { throwIfNoEntry: false })?.ino
  })
  await chmod(path, mode)
  return inode
}

/** Resolves when all connections have ended. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()))
}

/** What the kernel says of a path where no process listens. */
const withoutListener = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED']

/** A process that is too busy to take a connection listens, too (EAGAIN, connect(2)). Rejects where nothing tells. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const { code = '' } = error
      if (code === 'EAGAIN') resolve(true)
      else if (withoutListener.includes(code)) resolve(false)
      else reject(error)
    })
  })
}

function inUse(path: string): DriverError {
  return new DriverError('taken', `another driver is running: it answers on ${path}`, {
    hint: 'stop it (systemctl stop multihost), or choose another path with --socket',
  })
}
