/**
 * Request and reply of one byte over an open TCP connection: what a chatty protocol feels of a network.
 *
 * Both ends are Node, which is on the hosts for the driver; what it costs itself is the same on every path.
 */
import type { Host } from '../../scenarios/kit/host.ts'

/** `inside`: words that enter a container's network namespace. It ends with the scope. */
export async function serveEcho(
  host: Host,
  inside: readonly string[],
  port: number,
): Promise<AsyncDisposable> {
  const program = `require('net').createServer((s) => s.setNoDelay().pipe(s)).listen(${port})`
  const pid = await host.succeed`${inside} node -e ${program} > /dev/null 2>&1 < /dev/null & echo $!`
  return { [Symbol.asyncDispose]: async () => void (await host.run`kill ${pid}`) }
}

/** Median of a thousand, in milliseconds. */
export async function typicalReply(
  host: Host,
  inside: readonly string[],
  to: string,
  port: number,
): Promise<number> {
  const program = `
    const times = []
    let sent
    const ask = () => { sent = process.hrtime.bigint(); socket.write('x') }
    const socket = require('net').connect(${port}, '${to}', () => { socket.setNoDelay(); ask() })
    socket.on('data', () => {
      times.push(Number(process.hrtime.bigint() - sent) / 1e6)
      if (times.length < 1000) return ask()
      console.log(times.sort((a, b) => a - b)[500])
      socket.end()
    })`
  return Number(await host.waitUntilSucceeds`${inside} node -e ${program}`)
}
