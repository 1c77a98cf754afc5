/**
 * The error of a scenario that failed and whose clean-up failed too. `await using` throws a SuppressedError
 * with an empty message. This module replaces it by the first failure, with the message of the second
 * appended.
 *
 * The compiled code takes the global SuppressedError; Node 20 has none.
 */
import { bothFailed } from '../../provision/process/undo-after.ts'

export { undoAfter } from '../../provision/process/undo-after.ts'

Object.assign(globalThis, { SuppressedError: bothFailed })
