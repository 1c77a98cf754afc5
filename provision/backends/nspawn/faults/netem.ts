/**
 * A delay in the kernel: a veth pair whose near end has netem for its queue. Source: tc-netem(8).
 *
 * netem shapes what a device sends, which is why the host's own port cannot have it: what that sends is what
 * the host receives. Without jitter, frames leave it in their order.
 */
import { run } from '../../../process/run.ts'
import type { Pair } from './delay.ts'
import { ip } from './switch.ts'

/** A frame that finds so many of its kind held is lost: a million a second never are. netem's own limit is 1000. */
const heldPerMs = 1000

export async function netem({ namespace, near, far, ms }: Pair): Promise<void> {
  await ip(namespace, [`link add name ${near} type veth peer name ${far}`])
  const limit = Math.max(1000, Math.ceil(ms * heldPerMs))
  await run('tc', ['-n', namespace, ...root(near), 'delay', `${ms}ms`, 'limit', String(limit)])
  await receiveInOrder(namespace, far)
}

/**
 * A queue is emptied now by one CPU, now by another, and what comes out waits in the queue of that CPU: two
 * of them could overtake each other. One CPU takes in all. Source: the kernel's networking/scaling.rst,
 * "RPS".
 */
async function receiveInOrder(namespace: string, device: string): Promise<void> {
  const file = `/sys/class/net/${device}/queues/rx-0/rps_cpus`
  await run('ip', ['netns', 'exec', namespace, 'sh', '-c', `echo 1 > ${file}`])
}

/** Whether this kernel has it, or a module of it: found by trying, which loads the module. */
export async function hasNetem(): Promise<boolean> {
  return run('unshare', ['--net', 'tc', ...root('lo'), 'delay', '1ms']).then(
    () => true,
    () => false,
  )
}

function root(device: string): string[] {
  return ['qdisc', 'add', 'dev', device, 'root', 'netem']
}
