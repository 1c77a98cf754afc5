/**
 * A scenario for any driver. One that failed may have left containers and networks, and must not spoil the next.
 */
import { clear } from '../kit/clear.ts'
import { scenario as base } from '../kit/scenario.ts'

export const scenario = base.extend<{ clean: undefined }>({
  clean: [
    async ({ task, net1, net2 }, use) => {
      if (dirty) await clear([net1, net2])
      await use(undefined)
      dirty = task.result?.state === 'fail'
    },
    { auto: true },
  ],
})

/** Another file's last scenario may have failed, too. */
let dirty = true
