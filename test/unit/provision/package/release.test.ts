import { expect, test } from 'vitest'
import { currentRelease } from '../../../../provision/package/release.ts'

test('the maintainer has the form that Debian asks for: a name and an address', async () => {
  expect((await currentRelease()).maintainer).toMatch(/^[^<>@]+ <[^\s<>]+@[^\s<>]+>$/)
})
