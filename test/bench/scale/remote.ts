/**
 * A child process that answers calls: the driver's code bundled into one file and run as it runs on a host.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Answer, Calls } from './serve.ts'

export interface Remote<T extends Calls> extends AsyncDisposable {
  call<N extends keyof T & string>(name: N, ...args: Parameters<T[N]>): ReturnType<T[N]>
}

/** One for all children: `member.ts` of this folder as `FOLDER/member.cjs`. */
export async function bundle(entry: string, folder: string): Promise<string> {
  const outfile = join(folder, `${entry}.cjs`)
  await build({
    entryPoints: [fileURLToPath(new URL(`${entry}.ts`, import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', format: 'cjs', target: 'node20', logLevel: 'warning' },
  })
  return outfile
}

export async function startRemote<T extends Calls>(file: string): Promise<Remote<T>> {
  const execArgv = ['--max-semi-space-size=2', '--max-old-space-size=8192', '--expose-gc']
  const child = fork(file, [], { execArgv, env: { ...process.env, NODE_OPTIONS: '' } })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let last = 0
  child.on('message', ({ id, value, error }: Answer) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(error))
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`a child ended: ${signal ?? code}`))
  })
  await once(child, 'spawn')
  return {
    call: (name, ...args) => {
      const id = ++last
      const answer = new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))
      child.send({ id, name, args })
      // The other side runs the very function whose type is promised here.
      return answer as ReturnType<T[typeof name]>
    },
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}
