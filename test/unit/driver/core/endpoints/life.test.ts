import { expect, test } from 'vitest'
import { type EndpointFacts, lifeOf } from '../../../../../driver/core/endpoints/life.ts'

const created = { joined: false }
const joined = { joined: true }

test.each<[string, EndpointFacts, string]>([
  ['CreateEndpoint has begun', { record: undefined, call: 'create' }, 'requested'],
  ['CreateEndpoint has written the record', { record: created, call: 'create' }, 'created'],
  ['the engine does not show it yet', { record: created, call: 'create', engine: 'absent' }, 'created'],
  ['Join waits for the kernel', { record: joined, call: 'join', hasLink: false }, 'joining'],
  ['Join is answered', { record: joined, call: undefined, engine: 'in-container', hasLink: true }, 'joined'],
  ['its link went', { record: joined, call: undefined, hasLink: false }, 'link-lost'],
  ['Leave waits for the store', { record: joined, call: 'leave', engine: 'in-no-container' }, 'leaving'],
  [
    'its record went before the engine noticed',
    { record: undefined, call: 'leave', engine: 'in-container' },
    'leaving',
  ],
  ['DeleteEndpoint is done', { record: undefined, call: 'leave' }, 'gone'],
  [
    'Leave was answered and DeleteEndpoint never came',
    { record: created, call: 'leave', engine: 'absent' },
    'missing',
  ],
  ['the engine does not know it', { record: joined, call: undefined, engine: 'absent' }, 'missing'],
  [
    'a container has it without a record',
    { record: undefined, call: undefined, engine: 'in-container' },
    'unrecorded',
  ],
  [
    'the engine shows it in no container',
    { record: undefined, call: undefined, engine: 'in-no-container' },
    'gone',
  ],
  ['the engine was not asked', { record: joined, call: undefined }, 'joined'],
])('%s: %j → %s', (_, facts, life) => {
  expect(lifeOf(facts)).toBe(life)
})
