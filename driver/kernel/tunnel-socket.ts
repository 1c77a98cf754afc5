/**
 * The two sockets of tunnel probes on one UDP port: one sends from the host's namespace, one receives behind
 * a VXLAN device.
 *
 * The device must not be in the host's namespace, whose firewall would judge the inner packets. So a child of
 * this program starts in a new network namespace, opens the socket there, hands it over and ends. The
 * namespace has no name and lives as long as the socket: when the driver ends, even by SIGKILL, the kernel
 * removes device and namespace.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { DriverError } from '../core/errors.ts'
import { familyOf } from '../core/ip.ts'
import type { Ip } from '../core/records.ts'
import { probeDevice } from '../core/tunnels/packet.ts'
import { withoutIpv6 } from './lines.ts'
import { isPortRefused } from './refused-port.ts'

export interface TunnelSocket {
  /** Questions and answers come from this address. */
  vtep: Ip
  /** UDP port that packets are sent from, on the VTEP. No process has it when the driver is gone. */
  driverPort: number
  /**
   * Sends a VXLAN packet to the peer's VTEP, on the socket's port unless another is given; returns the
   * socket's error.
   */
  send(packet: Buffer, to: Ip, port?: number): Promise<string | undefined>
  /** Whether the kernel at that address refuses the UDP port. False where nothing answers. */
  isRefused(to: Ip, port: number): Promise<boolean>
  /** Called with the inner UDP payload. */
  onMessage(listener: (data: Buffer) => void): void
  close(): void
}

/** The word of the child's command line. */
const tunnelSocketCommand = 'tunnel-socket'

const childTimeoutMs = 30_000

/** Throws `kernel`. */
export async function openTunnelSocket(vtep: Ip, port: number = probeDevice.port): Promise<TunnelSocket> {
  const sending = await sendingSocket(vtep)
  const receiving = await receivingSocket(vtep, port).catch((error: unknown) => {
    sending.close()
    throw error
  })
  // The callback of a send gets its errors. An ICMP message answers an earlier packet, and needs nothing.
  for (const socket of [receiving, sending]) socket.on('error', () => undefined).unref()
  return {
    vtep,
    driverPort: sending.address().port,
    isRefused: (to, at) => isPortRefused(vtep, to, at),
    send: (packet, to, toPort = port) =>
      new Promise((resolve) => {
        sending.send(packet, toPort, to, (error) =>
          resolve(error ? ((error as NodeJS.ErrnoException).code ?? error.message) : undefined),
        )
      }),
    onMessage: (listener) => void receiving.on('message', listener),
    close() {
      receiving.close()
      sending.close()
    },
  }
}

async function sendingSocket(vtep: Ip): Promise<Socket> {
  const socket = createSocket(familyOf(vtep) === 6 ? 'udp6' : 'udp4')
  socket.bind({ address: vtep })
  try {
    await once(socket, 'listening')
  } catch (cause) {
    throw new DriverError('kernel', `the socket for tunnel probes cannot be bound to ${vtep}: ${cause}`, {
      cause,
    })
  }
  return socket
}

async function receivingSocket(vtep: Ip, port: number): Promise<Socket> {
  const [, script = ''] = process.argv
  const program = script === process.execPath ? [] : [...process.execArgv, script]
  const command = ['--net', '--', process.execPath, ...program, tunnelSocketCommand]
  const child = spawn('unshare', command, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), childTimeoutMs)
  try {
    await messageFrom(child, () => words)
    await makeDevice(child.pid ?? 0, vtep, port)
    child.send('device')
    return await messageFrom(child, () => words)
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
  }
}

/** The next message's handle. */
async function messageFrom(child: ChildProcess, words: () => string): Promise<Socket> {
  return new Promise((resolve, fail) => {
    const failed = (why: string): void =>
      fail(
        new DriverError('kernel', `the socket for tunnel probes cannot be opened: ${words().trim() || why}`),
      )
    child.once('message', (_, handle) => resolve(handle as Socket))
    child.once('error', ({ message }) => failed(message))
    child.once('exit', (code, signal) => failed(`the child ended with ${signal ?? code}`))
  })
}

/** Made from the host's namespace, so that the kernel's VXLAN socket is the host's. */
async function makeDevice(pid: number, local: Ip, port: number): Promise<void> {
  const { name, vni } = probeDevice
  const line = `link add name ${name} netns ${pid} type vxlan id ${vni} local ${local} dstport ${port} nolearning`
  try {
    await promisify(execFile)('ip', line.split(' '))
  } catch (cause) {
    throw new DriverError(
      'kernel',
      `the device for tunnel probes cannot be made: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}

/** The child: its namespace is new, and the parent makes the device in it. */
export async function tunnelSocketChild(): Promise<number> {
  const { name, mac, ip, prefixLength, udpPort } = probeDevice
  const ready = once(process, 'message')
  process.send?.('started')
  await ready
  const run = promisify(execFile)
  await run('ip', ['link', 'set', name, 'address', mac])
  await run('ip', ['link', 'set', name, 'addrgenmode', 'none']).catch((error: Error) => {
    if (!withoutIpv6.test(error.message)) throw error
  })
  await run('ip', ['address', 'add', `${ip}/${prefixLength}`, 'dev', name])
  await run('ip', ['link', 'set', name, 'up'])
  const socket = createSocket('udp4')
  socket.bind(udpPort, ip)
  await once(socket, 'listening')
  // Both processes have the socket until the parent ends this one.
  process.send?.('socket', socket)
  return new Promise(() => undefined)
}
