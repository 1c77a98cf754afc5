/**
 * What a host would receive that follows the whole tree with a blocking query: the peer of the change log.
 */
import { Agent, get } from 'node:http'
import { median } from '../../../scenarios/report/statistics.ts'
import { createMeter } from './meter.ts'

/** Medians over the changes. */
export async function followTree(
  api: string,
  prefix: string,
  changes: number,
  change: (i: number) => Promise<void>,
): Promise<{ bytes: number; ms: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const meter = createMeter()
  const read = (index: number): Promise<number> =>
    meter.run(() => indexOf(`${api}/kv/${prefix}/?recurse&index=${index}&wait=60s`, agent))
  const samples: { bytes: number; ms: number }[] = []
  let index = await read(0)
  for (let i = 0; i < changes; i++) {
    const before = meter.received()
    const answer = read(index)
    const began = performance.now()
    await change(i)
    index = await answer
    samples.push({ bytes: meter.received() - before, ms: performance.now() - began })
  }
  agent.destroy()
  return { bytes: median(samples.map(({ bytes }) => bytes)), ms: median(samples.map(({ ms }) => ms)) }
}

/** Reads the whole answer, parses it as a host must, and says at which index it was made. */
function indexOf(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      JSON.parse(text)
      resolve(Number(response.headers['x-consul-index']))
    }).on('error', reject)
  })
}
