import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { rulesFor } from '../../../../driver/membership/token-policies.ts'

test('the example for a Consul of your own has the rules of the driver', () => {
  const example = readFileSync('docs/examples/consul-policy.hcl', 'utf8').replaceAll(/^#.*$/gm, '')
  const words = (text: string) => text.split(/\s+/).filter(Boolean)
  expect(words(example)).toEqual(words(rulesFor(['consul-server'], 'net-1')))
})

test('with several servers a token may make sessions on each of them', () => {
  expect(rulesFor(['consul-1', 'consul-2'])).toMatchInlineSnapshot(`
    "key_prefix "multihost/" { policy = "write" }
    session "consul-1" { policy = "write" }
    session "consul-2" { policy = "write" }
    "
  `)
})
