/**
 * A zx shell whose commands run on a lab host, as root, over its ssh connection.
 *
 * zx runs processes, so it gets an object that behaves like one: a command of the connection with its two
 * outputs. Its input is empty; steps upload what they send.
 */
import { EventEmitter } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { quote, $ as zx } from 'zx/core'
import type { Connection } from './connection.ts'

export type RemoteShell = typeof zx

export function shellOn(connection: Connection): RemoteShell {
  return zx({
    spawn: spawnOn(connection) as unknown as typeof zx.spawn,
    kill: async () => undefined,
    shell: 'bash',
    prefix: 'set -euo pipefail;',
    postfix: '',
    quote,
    verbose: false,
    quiet: true,
  })
}

/** Replaces child_process.spawn for zx; returns the parts of a ChildProcess that zx uses. */
function spawnOn(connection: Connection) {
  return (command: string) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    const child = Object.assign(new EventEmitter(), { kill: () => false, stdout, stderr })
    const run = async () => {
      const code = await connection.pipe(command, { stdin: Readable.from([]), stdout, stderr })
      for (const stream of [stdout, stderr]) stream.end()
      await Promise.all([finished(stdout), finished(stderr)])
      child.emit('exit', code, null)
      child.emit('close', code, null)
    }
    run().catch((error) => {
      child.emit('error', error)
      child.emit('close', 255, null)
    })
    return child
  }
}
