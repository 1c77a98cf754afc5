/**
 * Holds frames back: the process between a slowed host and the switch.
 *
 * A frame is a datagram here: socat carries each one between a tap device and a port of the loopback. What
 * the host sends waits, what it receives does not. Timers of one length fire in the order in which they were
 * set, so frames keep theirs. For kernels without netem. `hold-back.ts NEAR FAR MS`: ports of the two socats,
 * on the loopback.
 */
import { createSocket } from 'node:dgram'

const [near = 0, far = 0, ms = 0] = process.argv.slice(2).map(Number)
const loopback = '127.0.0.1'
const [fromHost, fromSwitch] = [createSocket('udp4'), createSocket('udp4')]
fromHost.on('message', (frame) => setTimeout(() => fromSwitch.send(frame, far, loopback), ms))
fromSwitch.on('message', (frame) => fromHost.send(frame, near, loopback))
fromHost.bind(near + 1, loopback)
fromSwitch.bind(far + 1, loopback)
