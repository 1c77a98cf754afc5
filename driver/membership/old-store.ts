/**
 * Whether a member's old store still answers beside the one that it moves to.
 *
 * A store that was moved by a snapshot has the cluster's id at both addresses. While the old Consul answers,
 * hosts that were not moved yet lease addresses from it, and two stores hand out one address. Leaders and
 * raft peers do not tell two Consuls apart: each of two single servers on loopback is led by 127.0.0.1:8300.
 * So a key that is written to the new store must be seen at the old address.
 */
import { randomUUID } from 'node:crypto'
import type { DaemonOptions } from '../daemon/options.ts'
import { type ConsulClient, createClient } from '../store/consul/client.ts'
import { showAddress } from '../store/consul/url.ts'
import { asked } from './facts.ts'
import { clientOptions } from './gather-store.ts'

export interface OldServer {
  /** For messages. */
  url: string
  prefix: string
  client: Pick<ConsulClient, 'list'>
}

/**
 * The servers of the old store that answer and are not the wanted store's. Throws where the wanted store
 * cannot be written.
 */
export async function answeringApart(
  servers: readonly OldServer[],
  wanted: { prefix: string; client: Pick<ConsulClient, 'transact'> },
): Promise<string[]> {
  const name = `doctor/${randomUUID()}`
  const Key = `${wanted.prefix}/${name}`
  const Value = Buffer.from('"a trial of the old address"').toString('base64')
  await wanted.client.transact([{ Verb: 'cas', Key, Value, Index: 0 }])
  try {
    const found = await Promise.all(servers.map((server) => isApart(server, name, Key)))
    return servers.filter((_, at) => found[at]).map(({ url }) => url)
  } finally {
    await asked(() => wanted.client.transact([{ Verb: 'delete', Key }]))
  }
}

/** A Consul that refuses the token answers, too. */
async function isApart({ client, prefix }: OldServer, name: string, key: string): Promise<boolean> {
  const answer = await asked(() => client.list(`${prefix}/${name}`, { consistent: true }))
  if ('failed' in answer) return !/ does not answer: /.test(answer.failed)
  return !answer.found.items.some((item) => item.key === key)
}

/** The same by the addresses of two stores, with the options of the wanted one. */
export async function oldServersApart(old: string, options: DaemonOptions): Promise<string[]> {
  const wanted = clientOptions(options)
  const { address } = clientOptions({ ...options, kvStore: old })
  const client = createClient(wanted)
  const servers = address.servers.map((server) => {
    const one = { ...address, servers: [server] }
    return {
      url: showAddress(one),
      prefix: address.prefix,
      client: createClient({ ...wanted, address: one }),
    }
  })
  try {
    return await answeringApart(servers, { prefix: wanted.address.prefix, client })
  } finally {
    for (const each of [client, ...servers.map((it) => it.client)]) each.close()
  }
}
