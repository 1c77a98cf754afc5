/**
 * What Consul's answers say. A status of 200 alone proves nothing: a proxy or a web firewall may answer in
 * Consul's place, and what it answers must not pass for a commit, or for an empty store. Pure.
 */
import { jsonIn } from '../../core/json.ts'
import type { Failure } from './failures.ts'

export interface Item {
  key: string
  index: number
  /** Index at which the key was made. */
  created: number
  text: string
  /** The session that holds the key's lock, if one does. */
  session?: string | undefined
}

interface RawItem {
  Key: string
  CreateIndex: number
  ModifyIndex: number
  /** Base64. */
  Value: string | null
  /** Absent when no session holds the key's lock. */
  Session?: string
}

/** Of a list. For a folder without keys Consul answers 404 with an empty body. */
export function itemsIn(body: string): Item[] {
  if (body === '') return []
  return (listIn(jsonIn(body) ?? body) as RawItem[]).map(itemOf)
}

function itemOf({ Key, CreateIndex, ModifyIndex, Value, Session }: RawItem): Item {
  const text = Buffer.from(Value ?? '', 'base64').toString()
  return { key: Key, index: ModifyIndex, created: CreateIndex, text, session: Session }
}

/** Without the index a blocking query does not wait. Consul never sends 0. */
export function followable(index: number): number {
  if (index >= 1) return index
  throw Object.assign(new Error('no X-Consul-Index'), { code: 'NO_INDEX' })
}

/** Of a transaction that was not refused: the index of its last key, 0 where that one has no result. */
export function indexOf(answer: unknown, steps: readonly { Verb: string }[]): number {
  const { Results } = Object(answer) as { Results?: unknown }
  const last = listIn(Results, answer).at(-1) as { KV?: { ModifyIndex?: number } } | undefined
  const index = last?.KV?.ModifyIndex ?? 0
  const hasResult = !/^delete|^check-not-exists$/.test(steps.at(-1)?.Verb ?? '')
  if (hasResult && !(index > 0)) throw notConsul(answer)
  return index
}

export function sessionIn(answer: unknown): string {
  const { ID } = Object(answer) as { ID?: unknown }
  if (typeof ID !== 'string' || ID === '') throw notConsul(answer)
  return ID
}

export function sessionsIn(answer: unknown): string[] {
  return listIn(answer).map(sessionIn)
}

/** Of the question for one session, which lists that one or none. */
export function hasSessionIn(body: string): boolean {
  return sessionsIn(jsonIn(body) ?? body).length > 0
}

function listIn<T>(value: T, answer: unknown = value): unknown[] {
  if (!Array.isArray(value)) throw notConsul(answer)
  return value
}

export function notConsul(answer: unknown): Failure {
  const text = typeof answer === 'string' || Buffer.isBuffer(answer) ? `${answer}` : JSON.stringify(answer)
  return Object.assign(new Error(text?.slice(0, 200) || 'an empty answer'), { code: 'NOT_CONSUL' })
}
