import { expect, test } from 'vitest'
import { parseFault } from '../../../../../../provision/backends/faults.ts'
import { rulesFor } from '../../../../../../provision/backends/nspawn/faults/rules.ts'
import { defaultLab } from '../../../../../../provision/lab/definition.ts'

const rules = (...lines: string[]): string =>
  rulesFor(lines.map((line) => parseFault(defaultLab(), line.split(' '))))

test('a partition drops both ways, a loss drops what its host sends, also behind a delay', () => {
  expect(rules('partition net-1 net-2', 'lose net-1 20', 'slow net-1 100')).toMatchInlineSnapshot(`
    "table bridge multihost
    delete table bridge multihost
    table bridge multihost {
      chain faults {
        type filter hook forward priority 0; policy accept
        iifname { "net-1", "b-net-1" } oifname { "net-2", "b-net-2" } drop
        iifname { "net-2", "b-net-2" } oifname { "net-1", "b-net-1" } drop
        iifname { "net-1", "b-net-1" } oifname != "a-net-1" numgen random mod 1000 < 200 drop
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
