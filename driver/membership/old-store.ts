/**
 * Whether a member's old store still answers beside the one that it moves to.
 *
 * A store that was moved by a snapshot has the cluster's id at both addresses. While the old Consul answers,
 * hosts that were not moved yet lease addresses from it, and two stores hand out one address. Leaders and
 * raft peers do not tell two Consuls apart: each of two single servers on loopback is led by 127.0.0.1:8300.
 * So a key that is written to the new store must be seen at the old address.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { asDriverError } from '../core/errors.ts'
import type { DaemonOptions } from '../daemon/options.ts'
import { type ConsulClient, createClient } from '../store/consul/client.ts'
import { isDenied, isOfCertificate, saidByConsul } from '../store/consul/failures.ts'
import { showAddress } from '../store/consul/url.ts'
import { asked } from './facts.ts'
import { clientOptions } from './gather-store.ts'

export interface OldServer {
  /** For messages. */
  url: string
  prefix: string
  client: Pick<ConsulClient, 'list'>
}

export interface OldServers {
  /** Those that answer and are not the wanted store's. */
  apart: string[]
  /** Of those that were asked for nothing, since their certificate cannot be trusted: why. */
  untold: string[]
}

/** A Consul without a leader holds a read for 7 s before it says so (`rpc_hold_timeout`). */
const oldAnswersWithinMs = 9000

/** How long a Consul is asked again that elects a leader, or has another trouble of its own. */
interface Patience {
  withinMs?: number
  pollEveryMs?: number
}

/** Throws where the wanted store cannot be written. */
export async function answeringApart(
  servers: readonly OldServer[],
  wanted: { prefix: string; client: Pick<ConsulClient, 'transact'> },
  patience: Patience = {},
): Promise<OldServers> {
  const name = `doctor/${randomUUID()}`
  const Key = `${wanted.prefix}/${name}`
  const Value = Buffer.from('"a trial of the old address"').toString('base64')
  await wanted.client.transact([{ Verb: 'cas', Key, Value, Index: 0 }])
  try {
    const found = await Promise.all(servers.map((server) => judge(server, name, Key, patience)))
    return {
      apart: servers.filter((_, at) => found[at] === 'apart').map(({ url }) => url),
      untold: found.flatMap((it) => (typeof it === 'string' ? [] : [it.untold])),
    }
  } finally {
    await asked(() => wanted.client.transact([{ Verb: 'delete', Key }]))
  }
}

/**
 * A Consul that refuses the token, or answers with an error of its own, answers too. What else the address
 * belongs to by now, a web server or a balancer, leases no addresses.
 */
async function judge(
  { client, prefix }: OldServer,
  name: string,
  key: string,
  { withinMs = 2 * oldAnswersWithinMs, pollEveryMs = 250 }: Patience,
): Promise<'apart' | 'not apart' | { untold: string }> {
  const end = performance.now() + withinMs
  for (;;) {
    try {
      const { items } = await client.list(`${prefix}/${name}`, { consistent: true })
      return items.some((item) => item.key === key) ? 'not apart' : 'apart'
    } catch (error) {
      if (isOfCertificate(error)) return { untold: asDriverError(error).message }
      if (saidByConsul(error) === undefined) return 'not apart'
      if (isDenied(error) || performance.now() > end) return 'apart'
    }
    await delay(pollEveryMs)
  }
}

/** The same by the addresses of two stores, with the options of the wanted one. */
export async function oldServersApart(old: string, options: DaemonOptions): Promise<OldServers> {
  const wanted = clientOptions(options)
  const { address } = clientOptions({ ...options, kvStore: old })
  const client = createClient(wanted)
  const servers = address.servers.map((server) => {
    const one = { ...address, servers: [server] }
    return {
      url: showAddress(one),
      prefix: address.prefix,
      client: createClient({ ...wanted, address: one, timeoutMs: oldAnswersWithinMs }),
    }
  })
  try {
    return await answeringApart(servers, { prefix: wanted.address.prefix, client })
  } finally {
    for (const each of [client, ...servers.map((it) => it.client)]) each.close()
  }
}
