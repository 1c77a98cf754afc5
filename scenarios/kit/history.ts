/**
 * Checks recorded operations of concurrent clients against a sequential model: is there an order of the
 * operations, each between its begin and its end, in which the model gives every client the result that it
 * got (linearizability)?
 *
 * The search is Wing and Gong's with Lowe's memory of visited configurations ("Testing for linearizability",
 * 2017). Every key is checked alone, which is sound because linearizability is local (Herlihy and Wing,
 * 1990). The time grows with the operations and the unknown outcomes, and exponentially with the operations
 * that run at once.
 *
 * @example
 *     const history = recordHistory<ExclusiveInput, Holder>()
 *     await history.run(hostA.name, '10.1.0.5', { take: hostA.name }, async () => ({ outcome: 'ok' }))
 *     expect(violations(history.operations, exclusive)).toEqual([])
 */
export interface Operation<I, O> {
  client: string
  /** The object of the operation: an address, a service, a register. */
  key: string
  input: I
  /**
   * `ok`: took effect with this output. `failed`: took no effect. `unknown`: took effect at any time since,
   * or never.
   */
  outcome: 'ok' | 'failed' | 'unknown'
  output?: O
  /** Milliseconds on one clock. */
  beginMs: number
  endMs: number
}

export interface Model<S, I, O> {
  initial: S
  /**
   * The state after the operation; `undefined` when the operation cannot have this output in this state.
   * States are compared as JSON. An operation with an unknown outcome has no output.
   */
  step(state: S, input: I, output: O | undefined, isUnknown: boolean): { state: S } | undefined
}

export interface History<I, O> {
  readonly operations: readonly Operation<I, O>[]
  /** Runs `work` and records it. An error of `work` is recorded as an unknown outcome, and not thrown. */
  run(client: string, key: string | undefined, input: I, work: () => Promise<Result<O>>): Promise<Result<O>>
}

export interface Result<O> {
  outcome: 'ok' | 'failed' | 'unknown'
  output?: O
  /** Replaces the key of the call: an address that the operation has returned. */
  key?: string
}

export function recordHistory<I, O>(now: () => number = () => performance.now()): History<I, O> {
  const operations: Operation<I, O>[] = []
  return {
    operations,
    async run(client, key, input, work) {
      const beginMs = now()
      const result = await work().catch((): Result<O> => ({ outcome: 'unknown' }))
      const { outcome, output } = result
      const times = { beginMs, endMs: now() }
      const recordedKey = result.key ?? key
      if (recordedKey === undefined && outcome !== 'failed')
        throw new Error(`an operation of ${client} has no key: ${JSON.stringify(input)}`)
      operations.push({
        client,
        key: recordedKey ?? '',
        input,
        outcome,
        ...times,
        ...(output !== undefined && { output }),
      })
      return result
    },
  }
}

/** One sentence per key whose operations no order explains; empty when the history is linearizable. */
export function violations<S, I, O>(history: readonly Operation<I, O>[], model: Model<S, I, O>): string[] {
  const keys = [...new Set(history.map(({ key }) => key))]
  return keys.flatMap((key) => {
    const operations = history.filter((each) => each.key === key && each.outcome !== 'failed')
    const stuck = search(operations, model)
    return stuck === undefined ? [] : [`${key}: ${stuck}`]
  })
}

/** Configurations that one search may visit; some ten seconds. */
const mostConfigurations = 1_000_000

/** The operations of one key, and which of them are placed in the order that is searched. */
interface Order<I, O> {
  /** Those that took effect, by their begin; after them those with an unknown outcome. */
  operations: readonly Operation<I, O>[]
  /** How many took effect. */
  certain: number
  isPlaced: Uint8Array
  /** Index of the first operation that took effect and is not placed; `certain` when all are placed. */
  first: number
  /** A bit per placed operation with an unknown outcome. */
  unknown: bigint
}

/** An operation that was placed in the order, with the state after it and the operations that can come next. */
interface Frame<S> {
  placed: number
  state: S
  candidates: number[]
}

/** Searches an order, depth first. Returns why there is no order, at the deepest point that the search reached. */
function search<S, I, O>(history: readonly Operation<I, O>[], model: Model<S, I, O>): string | undefined {
  const order = nothingPlaced(history)
  const isNew = newConfigurations()
  const frames: Frame<S>[] = [{ placed: -1, state: model.initial, candidates: candidatesIn(order) }]
  let visited = 0
  let deepest = { depth: -1, text: '' }
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    if (order.first === order.certain) return undefined
    const depth = frames.length
    if (depth > deepest.depth) deepest = { depth, text: describe(order.operations, frame) }
    const index = frame.candidates.shift()
    const operation = index === undefined ? undefined : order.operations[index]
    if (index === undefined || operation === undefined) {
      frames.pop()
      if (frame.placed >= 0) take(order, frame.placed)
      continue
    }
    const after = model.step(frame.state, operation.input, operation.output, operation.outcome !== 'ok')
    if (after === undefined) continue
    place(order, index)
    if (!isNew(`${placedIndexes(order)} ${JSON.stringify(after.state)}`, order.unknown)) {
      take(order, index)
      continue
    }
    if (++visited > mostConfigurations) throw new Error(`too many operations at once: ${deepest.text}`)
    frames.push({ placed: index, state: after.state, candidates: candidatesIn(order) })
  }
  return deepest.text
}

function nothingPlaced<I, O>(history: readonly Operation<I, O>[]): Order<I, O> {
  const byBegin = [...history].sort((a, b) => a.beginMs - b.beginMs)
  const certain = byBegin.filter(({ outcome }) => outcome === 'ok')
  const operations = [...certain, ...byBegin.filter(({ outcome }) => outcome !== 'ok')]
  const isPlaced = new Uint8Array(operations.length)
  return { operations, certain: certain.length, isPlaced, first: 0, unknown: 0n }
}

function place(order: Order<unknown, unknown>, index: number): void {
  order.isPlaced[index] = 1
  if (index >= order.certain) order.unknown |= 1n << BigInt(index - order.certain)
  while (order.first < order.certain && order.isPlaced[order.first] === 1) order.first++
}

/** Undoes `place`. */
function take(order: Order<unknown, unknown>, index: number): void {
  order.isPlaced[index] = 0
  if (index >= order.certain) order.unknown &= ~(1n << BigInt(index - order.certain))
  else order.first = Math.min(order.first, index)
}

/**
 * The operations that can be next: those that began before any operation that is left has ended. Operations
 * with an unknown outcome come last.
 */
function candidatesIn<I, O>({ operations, certain, isPlaced, first }: Order<I, O>): number[] {
  const candidates: number[] = []
  let firstEnd = Number.POSITIVE_INFINITY
  const add = (from: number, to: number, areCertain: boolean) => {
    for (let i = from; i < to; i++) {
      const { beginMs, endMs } = operations[i] as Operation<I, O>
      if (beginMs > firstEnd) break
      if (isPlaced[i] === 1) continue
      if (areCertain) firstEnd = Math.min(firstEnd, endMs)
      candidates.push(i)
    }
  }
  add(first, certain, true)
  add(certain, operations.length, false)
  return candidates
}

/**
 * The placed operations that took effect, as text: the length of the complete beginning, and the indexes
 * after it. An operation is placed only when it began before the first one that is left has ended.
 */
function placedIndexes<I, O>({ operations, certain, isPlaced, first }: Order<I, O>): string {
  const after: number[] = []
  const endMs = operations[first]?.endMs ?? 0
  for (let i = first + 1; i < certain && (operations[i]?.beginMs ?? 0) <= endMs; i++)
    if (isPlaced[i] === 1) after.push(i)
  return `${first} ${after.join()}`
}

/**
 * Remembers configurations. Says of one that it is not new when it was there with the same placed operations
 * or with fewer of the unknown ones: what is possible after it was possible there too.
 */
function newConfigurations(): (configuration: string, unknown: bigint) => boolean {
  const visited = new Map<string, bigint[]>()
  return (configuration, unknown) => {
    const earlier = visited.get(configuration) ?? []
    if (earlier.some((each) => (each & unknown) === each)) return false
    earlier.push(unknown)
    visited.set(configuration, earlier)
    return true
  }
}

function describe<I, O, S>(operations: readonly Operation<I, O>[], { state, candidates }: Frame<S>): string {
  const next = candidates.flatMap((index) => operations[index] ?? []).map(shown)
  return `in state ${JSON.stringify(state) ?? 'undefined'} none of these can be next: ${next.join('; ')}`
}

function shown<I, O>({ client, input, output, outcome, beginMs, endMs }: Operation<I, O>): string {
  const result = outcome === 'ok' ? (JSON.stringify(output) ?? 'ok') : outcome
  return `${client} ${JSON.stringify(input)} → ${result} (${beginMs.toFixed(0)}–${endMs.toFixed(0)} ms)`
}

/** The holder of something that has one holder at a time; null: none. */
export type Holder = string | null
export type ExclusiveInput = { take: string } | { release: string } | { read: true }

/** An address, or the container behind a service: taken when it is free, released by its holder, read by all. */
export const exclusive: Model<Holder, ExclusiveInput, Holder> = {
  initial: null,
  step(holder, input, output, isUnknown) {
    if ('take' in input) return holder === null ? { state: input.take } : undefined
    if ('release' in input) return holder === input.release ? { state: null } : undefined
    return isUnknown || holder === (output ?? null) ? { state: holder } : undefined
  },
}

export type RegisterInput = { write: unknown } | { read: true } | { replace: unknown; by: unknown }

/**
 * A value that is written, read, and replaced when it is as expected (compare and swap). A word for the
 * authors of scenarios (docs/scenarios.md), so no scenario has to use it.
 *
 * @public
 */
export const register: Model<unknown, RegisterInput, unknown> = {
  initial: null,
  step(value, input, output, isUnknown) {
    if ('write' in input) return { state: input.write }
    if ('replace' in input) return value === input.replace ? { state: input.by } : undefined
    return isUnknown || value === (output ?? null) ? { state: value } : undefined
  },
}
