import { expect, test } from 'vitest'
import { parseFault } from '../../../../../../provision/backends/faults.ts'
import { farEnd, nearEnd, rulesFor } from '../../../../../../provision/backends/nspawn/faults/rules.ts'
import { defaultLab, generateLab, parseLab } from '../../../../../../provision/lab/definition.ts'

const rules = (...lines: string[]): string =>
  rulesFor(lines.map((line) => parseFault(defaultLab(), line.split(' '))))

test('a partition drops both ways, a loss drops what its host sends, also behind a delay', () => {
  expect(rules('partition net-1 net-2', 'lose net-1 20', 'slow net-1 100')).toMatchInlineSnapshot(`
    "table bridge multihost
    delete table bridge multihost
    table bridge multihost {
      chain faults {
        type filter hook forward priority 0; policy accept
        iifname { "net-1", "B-net-1" } oifname { "net-2", "B-net-2" } drop
        iifname { "net-2", "B-net-2" } oifname { "net-1", "B-net-1" } drop
        iifname { "net-1", "B-net-1" } oifname != "A-net-1" numgen random mod 1000000 < 200000 drop
      }
    }
    "
  `)
})

test('without a cut or lossy path there is no table', () => {
  expect(rules('unplug net-1')).toBe(rules())
  expect(rules()).toMatchInlineSnapshot(`
    "table bridge multihost
    delete table bridge multihost
    "
  `)
})

test('no host can have the name of a device of a fault', () => {
  const [host] = generateLab(1).hosts
  for (const name of [nearEnd('db'), farEnd('db')]) {
    const text = JSON.stringify({ network: '192.168.33.0/24', hosts: [{ ...host, name, role: 'bare' }] })
    expect(() => parseLab(text, 'my.json')).toThrow(`name "${name}" is not`)
  }
})
