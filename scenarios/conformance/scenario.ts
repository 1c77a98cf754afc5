/**
 * A scenario for any driver. After a failure, the containers and networks that it left are removed before the
 * next.
 */
import { clear } from '../kit/clear.ts'
import { scenario as base } from '../kit/scenario.ts'

export const scenario = base.extend<{ clean: undefined }>({
  clean: [
    async ({ task, hostA, hostB }, use) => {
      if (dirty) await clear([hostA, hostB])
      await use(undefined)
      dirty = task.result?.state === 'fail'
    },
    { auto: true },
  ],
})

/** True at first: the last scenario of another file may have failed. */
let dirty = true
