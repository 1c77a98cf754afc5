import { expect, test } from 'vitest'
import { createWorkQueue, limitOf } from '../../../../../driver/loops/kit/work-queue.ts'

test('runs never overlap, and pokes during a run make one more', async () => {
  let [now, most, runs] = [0, 0, 0]
  const gate = gates()
  const it = made(async () => {
    runs += 1
    most = Math.max(most, ++now)
    await gate.pass()
    now -= 1
  })
  it.poke()
  await gate.waiting()
  for (let i = 0; i < 10; i++) it.poke()
  gate.open()
  await it.settled(1000)
  expect(most).toBe(1)
  expect(runs).toBeLessThanOrEqual(3)
})

test('settled waits for a run that began after the call', async () => {
  const seen: string[] = []
  const gate = gates()
  let state = 'old'
  const it = made(async () => {
    const found = state
    await gate.pass()
    seen.push(found)
  })
  it.poke()
  await gate.waiting()
  state = 'new'
  const settled = it.settled(1000)
  gate.open()
  await settled
  expect(seen).toEqual(['old', 'new'])
})

test('settled resolves when the run is ready, before it has ended', async () => {
  const gate = gates()
  const it = made(async (ready) => {
    ready()
    await gate.pass()
  })
  await it.settled(1000)
  expect(it.status().state).toBe('running')
  gate.open()
})

test('a failed run is repeated until it succeeds', async () => {
  let left = 3
  const it = made(async () => {
    if (left-- > 0) throw new Error('not yet')
  })
  await it.settled(1000)
  expect(it.status()).toEqual({ state: expect.stringMatching(/idle|running/), lastError: undefined })
})

test('settled rejects with the last error after the bound, and the work queue goes on', async () => {
  let broken = true
  const it = made(async () => {
    if (broken) throw new Error('the kernel said no')
  })
  await expect(it.settled(50)).rejects.toThrow('the kernel said no')
  expect(it.status()).toEqual({ state: 'failing', lastError: 'the kernel said no' })
  broken = false
  await it.settled(1000)
})

test('settled says what it waited for when nothing failed', async () => {
  const gate = gates()
  const it = made(() => gate.pass())
  await expect(it.settled(20)).rejects.toThrow('network x has not settled within 20 ms')
  gate.open()
})

test('closing waits for the present run and starts no other', async () => {
  let runs = 0
  const gate = gates()
  const it = made(async () => {
    runs += 1
    await gate.pass()
  })
  it.poke()
  await gate.waiting()
  it.poke()
  const closed = it.close()
  gate.open()
  await closed
  it.poke()
  await Promise.resolve()
  expect(runs).toBe(1)
})

test('a limit lets the others wait, in the order they came', async () => {
  const limit = limitOf(2)
  const order: number[] = []
  let [now, most] = [0, 0]
  await Promise.all(
    [1, 2, 3, 4, 5].map((n) =>
      limit(async () => {
        most = Math.max(most, ++now)
        order.push(n)
        await Promise.resolve()
        now -= 1
      }),
    ),
  )
  expect([most, order]).toEqual([2, [1, 2, 3, 4, 5]])
})

function made(work: (ready: () => void) => Promise<void>) {
  return createWorkQueue({ name: 'network x', work, limit: limitOf(1), minPauseMs: 1, maxPauseMs: 5 })
}

/** Holds everybody at `pass` until `open`. */
function gates() {
  const opened = deferred()
  const arrived = deferred()
  return {
    pass: () => {
      arrived.resolve()
      return opened.promise
    },
    waiting: () => arrived.promise,
    open: () => opened.resolve(),
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
