import { expect, test } from 'vitest'
import { describeFault, parseFault, withFault } from '../../../../provision/backends/faults.ts'
import { defaultLab } from '../../../../provision/lab/definition.ts'
import { LabError } from '../../../../provision/process/errors.ts'

test('a fault is written as it is typed', () => {
  const lines = ['partition net-1 net-2', 'unplug consul-server', 'lose net-1 12.5', 'slow net-2 100']
  expect(lines.map((line) => describeFault(parseFault(defaultLab(), line.split(' '))))).toEqual(lines)
})

test('a fault replaces the one of its kind on the same hosts', () => {
  const parsed = (line: string) => parseFault(defaultLab(), line.split(' '))
  const lines = [
    'lose net-1 20',
    'lose net-2 20',
    'partition net-1 net-2',
    'lose net-1 50',
    'partition net-2 net-1',
  ]
  const inForce = lines.map(parsed).reduce(withFault, [] as ReturnType<typeof withFault>)
  expect(inForce.map(describeFault)).toEqual(['lose net-2 20', 'lose net-1 50', 'partition net-2 net-1'])
})

test('an error quotes the words given and the forms allowed', () => {
  const wrong = (line: string): string => {
    try {
      return describeFault(parseFault(defaultLab(), line.split(' ')))
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      return `${error.message}; ${error.hint}`
    }
  }
  expect(
    [
      'burn net-1',
      'partition net-1',
      'partition net-1 net-1',
      'unplug net-9',
      'lose net-1 120',
      'slow net-1 -3',
      'unplug net-1 net-2',
    ]
      .map(wrong)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    ""burn net-1" is not a fault; use partition HOST HOST, unplug HOST, lose HOST PERCENT or slow HOST MS
    "partition net-1" is not a fault; use partition HOST HOST, unplug HOST, lose HOST PERCENT or slow HOST MS
    net-1 cannot be cut off from itself; use partition HOST HOST, unplug HOST, lose HOST PERCENT or slow HOST MS
    unknown host "net-9": allowed are consul-server, net-1, net-2; undefined
    "120" percent: a number above 0, at most 100; undefined
    "-3" milliseconds: a number above 0, at most 60000; undefined
    "unplug net-1 net-2" is not a fault; use partition HOST HOST, unplug HOST, lose HOST PERCENT or slow HOST MS"
  `)
})
