import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { enterPressed } from '../../../../scenarios/record/pause.ts'

test('every pause ends at Enter, and at once when the input has ended', async () => {
  const input = new PassThrough()
  for (let failure = 1; failure <= 2; failure++) {
    const pressed = enterPressed(input)
    input.write('\n')
    await expect(pressed).resolves.toBeUndefined()
  }
  const ended = enterPressed(input)
  input.end()
  await ended
  await expect(enterPressed(input)).resolves.toBeUndefined()
})
