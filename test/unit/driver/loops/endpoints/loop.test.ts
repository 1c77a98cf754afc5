/** What the loop does when the engine does not answer. */
import { expect, test } from 'vitest'
import { keyIn } from '../../../../../driver/core/snapshot.ts'
import type { EngineContainer } from '../../../../../driver/engine/engine.ts'
import { silentLog } from '../../../../../driver/log.ts'
import { startEndpoints } from '../../../../../driver/loops/endpoints/loop.ts'
import { withJournal } from '../../../../../driver/store/journal.ts'
import { journalFile } from '../../../../../driver/store/journal-file.ts'
import { createInFlight } from '../../../../../driver/verbs/in-flight.ts'
import { createMemoryCluster } from '../../../../fixtures/memory-store.ts'
import { createNetwork, endpoint } from '../../../../fixtures/store-records.ts'
import { until } from '../../../../fixtures/until.ts'

const web = {
  ...{ id: 'c'.repeat(64), name: 'web', running: true, hostname: 'web', mounts: [], dns: [] },
  attachments: [{ endpoint: 'e1', name: 'foobar', aliases: ['www'], links: [], dnsNames: [] }],
} as unknown as EngineContainer

test.each(['network', 'running'] as const)(
  'while the store is away, aliases are known after an engine that did not answer `%s` once',
  async (question) => {
    const cluster = createMemoryCluster()
    const log = silentLog
    const file = journalFile(async () => undefined, log)
    const store = withJournal(cluster.open('net-1'), file, { host: 'net-1', log })
    await store.commit([
      createNetwork('foobar'),
      { op: 'create', table: 'endpoints', key: keyIn('foobar', 'e1'), value: endpoint('foobar', 'e1') },
    ])
    cluster.away = true
    const now = () => new Date()
    const asked = { network: 0, running: 0 }
    const once = (it: keyof typeof asked): void => {
      asked[it] += 1
      if (it === question && asked[it] === 1) throw new Error('no answer within 10 s')
    }
    const loop = startEndpoints({
      ...{ store, log, now, host: 'net-1', everyMs: 60_000, graceMs: 50, compareAfterMs: 1 },
      inFlight: createInFlight({ store, log, now }),
      blank: () => ({ vtep: '192.168.33.11', driverVersion: '1.0.0' }),
      engine: {
        networks: async () => [],
        attached: async () => [],
        network: async () => void once('network') as undefined,
        running: async () => {
          once('running')
          return [web.id]
        },
        container: async () => web,
      },
    })
    loop.connected('copy')
    const aliases = () => store.snapshot().endpoints.get('foobar/e1')?.value.aliases
    await until('the aliases are known', () => aliases()?.includes('www') === true, 3000)
    expect(asked[question]).toBeGreaterThan(0)
    await loop.close()
  },
)
