/**
 * Bytes as the sockets count them, by host, where many hosts share a process.
 *
 * Node publishes every TCP client socket that it makes (`net.client.socket`), in the asynchronous context of
 * the code that asked for the socket. So all bytes of a store inside `metered` are counted for that store,
 * HTTP's headers included.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

export interface Meter {
  run<T>(what: () => T): T
  /** Since the meter was made. */
  received(): number
  sent(): number
}

const current = new AsyncLocalStorage<Set<Socket>>()

subscribe('net.client.socket', (message) => {
  current.getStore()?.add((message as { socket: Socket }).socket)
})

export function createMeter(): Meter {
  const sockets = new Set<Socket>()
  const sum = (of: (socket: Socket) => number): number =>
    [...sockets].reduce((total, socket) => total + of(socket), 0)
  return {
    run: (what) => current.run(sockets, what),
    received: () => sum(({ bytesRead }) => bytesRead),
    sent: () => sum(({ bytesWritten }) => bytesWritten),
  }
}
