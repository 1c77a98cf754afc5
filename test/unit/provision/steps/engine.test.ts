import { expect, test } from 'vitest'
import { dockerPreferences } from '../../../../provision/steps/engine.ts'

test("of Docker's repository only the wanted version is taken", () => {
  expect(dockerPreferences('29')).toMatchInlineSnapshot(`
    "Package: docker-ce docker-ce-cli
    Pin: version 5:29.*
    Pin-Priority: 990
    "
  `)
})
