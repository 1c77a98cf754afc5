/**
 * Both ways to slow a host, on a lab's network without hosts in it: what a test skips, this kernel cannot do.
 */
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hasNetem, netem } from '../../../../../../provision/backends/nspawn/faults/netem.ts'
import { relay } from '../../../../../../provision/backends/nspawn/faults/relay.ts'
import { slowDown, speedUp } from '../../../../../../provision/backends/nspawn/faults/slow.ts'
import { makeNetwork, removeNetwork } from '../../../../../../provision/backends/nspawn/network.ts'
import { labPaths } from '../../../../../../provision/backends/nspawn/paths.ts'
import { defaultLab, namesOf } from '../../../../../../provision/lab/definition.ts'
import { timeoutScale } from '../../../../../../provision/process/timeout-scale.ts'
import { until } from '../../../../../fixtures/until.ts'

const lab = 'tslow'
const names = ['net-1', 'net-2']
const { switchNamespace } = labPaths(lab)

describe.runIf(process.getuid?.() === 0).each([
  { delay: netem, missing: (await hasNetem()) ? undefined : 'this kernel has no netem' },
  { delay: relay, missing: undefined },
])('$delay.name', ({ delay, missing }) => {
  beforeAll(() => makeNetwork(lab, defaultLab()))
  afterEach(() => speedUp(switchNamespace, names))
  afterAll(() => removeNetwork(lab, namesOf(defaultLab())))

  const slowed = async (ms: number) => {
    await slowDown(switchNamespace, [{ fault: 'slow', host: 'net-1', ms }], Promise.resolve(delay))
    const answered = async () => (await ping('-c1', '-W9')).length > 0
    await until('net-1 reaches net-2', answered)
  }

  test('what the host sends is late, what it receives is not', async ({ skip }) => {
    if (missing) skip(missing)
    await slowed(300)
    expect(await quickest()).toBeGreaterThanOrEqual(299)
    expect(await quickest()).toBeLessThan(600)
    await speedUp(switchNamespace, names)
    expect(await quickest()).toBeLessThan(300)
  })

  test('all frames arrive in their order, however many wait', { timeout: 60_000 * timeoutScale }, async ({
    skip,
  }) => {
    if (missing) skip(missing)
    await slowed(2000)
    const sent = Array.from({ length: 3000 }, (_, i) => i + 1)
    const seen = await listen(7, sent.length)
    await ping('-q', '-e7', `-c${sent.length}`, '-i0.001', '-l100', '-W9')
    expect(await seen()).toEqual(sent)
  })

  test('a host whose name begins like a short word keeps its cable', async () => {
    const named = {
      ...defaultLab(),
      hosts: defaultLab().hosts.map((each, i) => ({ ...each, name: `${'sab'[i]}-1` })),
    }
    await makeNetwork(`${lab}names`, named)
    try {
      const { switchNamespace: namespace } = labPaths(`${lab}names`)
      await speedUp(namespace, namesOf(named))
      const { stdout } = await execa('ip', ['-n', namespace, '-br', 'link', 'show', 'type', 'veth'])
      expect(stdout.split('\n').map((line) => line.split('@')[0])).toEqual(['s-1', 'a-1', 'b-1'])
    } finally {
      await removeNetwork(`${lab}names`, namesOf(named))
    }
  })

  test('nothing of it is left at full speed', async ({ skip }) => {
    if (missing) skip(missing)
    const before = await devices()
    await slowed(10)
    expect((await devices()).length).toBeGreaterThan(before.length)
    await speedUp(switchNamespace, names)
    expect(await devices()).toEqual(before)
  })
})

/** From net-1 to net-2: the round trips of what was answered. */
async function ping(...options: string[]): Promise<number[]> {
  const { stdout, stderr } = await inside('net-1', 'ping', ...options, '192.168.33.12')
  if (stderr) throw new Error(stderr)
  return [...stdout.matchAll(/icmp_seq=\d+ ttl=\d+ time=([\d.]+)/g)].map(([, time]) => Number(time))
}

/**
 * Listens in net-2 for so many pings of this id. What it returns resolves with their numbers in the order in
 * which they came, of fewer when some do not come. The buffer is large enough for a machine that is busy with
 * other things.
 */
async function listen(id: number, count: number): Promise<() => Promise<number[]>> {
  const filter = `icmp[icmptype] = icmp-echo and icmp[4:2] = ${id}`
  const options = ['-nlp', '-s96', '-B32768', '-ieth1', `-c${count}`, filter]
  const tcpdump = inside('net-2', 'timeout', '-s', 'INT', String(30 * timeoutScale), 'tcpdump', ...options)
  let said = ''
  tcpdump.stderr.on('data', (words) => {
    said += words
  })
  await until('tcpdump listens', () => said.includes('listening'))
  return async () => [...(await tcpdump).stdout.matchAll(/ seq (\d+),/g)].map(([, number]) => Number(number))
}

/** A command in the host's namespace; it may fail, as a ping that is not answered does. */
function inside(host: string, ...command: string[]) {
  return execa('ip', ['netns', 'exec', labPaths(lab).host(host).namespace, ...command], { reject: false })
}

/** The quickest of three, so that a busy machine is no slow network. */
async function quickest(): Promise<number> {
  return Math.min(...(await ping('-c3', '-i0.2', '-W9')))
}

async function devices(): Promise<string[]> {
  const { stdout } = await execa('ip', ['-n', switchNamespace, '-j', 'link'])
  return (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname)
}
