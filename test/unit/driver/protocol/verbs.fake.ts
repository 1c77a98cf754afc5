/** Verbs that write down what they were asked and answer what an easy network would. */
import type { Verbs } from '../../../../driver/verbs/verbs.ts'

export interface FakeVerbs extends Verbs {
  asked: [verb: string, ask: unknown][]
}

export function fakeVerbs(overrides: Partial<Verbs> = {}): FakeVerbs {
  const asked: FakeVerbs['asked'] = []
  const answer =
    <T>(verb: string, value: T) =>
    async (ask: unknown): Promise<T> => {
      asked.push([verb, ask])
      return value
    }
  return {
    asked,
    requestPool: answer('requestPool', '172.21.0.0/16'),
    releasePool: answer('releasePool', undefined),
    requestAddress: answer('requestAddress', '172.21.0.2/16'),
    releaseAddress: answer('releaseAddress', undefined),
    createNetwork: answer('createNetwork', undefined),
    deleteNetwork: answer('deleteNetwork', undefined),
    createEndpoint: answer('createEndpoint', '02:42:ac:15:00:02'),
    deleteEndpoint: answer('deleteEndpoint', undefined),
    join: answer('join', { device: 'vxcaaaaaaaa', internal: false }),
    leave: answer('leave', undefined),
    ...overrides,
  }
}
