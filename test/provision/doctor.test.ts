import { expect, test } from 'vitest'
import { foreignRoute } from '../../provision/doctor.ts'

test.each(['192.168.33.0/24', '192.168.33.128/25', '192.168.32.0/20', '192.168.33.10'])(
  'a route to %s shares addresses with the lab',
  (dst) => {
    expect(foreignRoute([{ dst: 'default' }, { dst: '10.0.0.0/8' }, { dst, dev: 'vboxnet0' }])).toEqual({
      dst,
      dev: 'vboxnet0',
    })
  },
)

test('routes elsewhere and the default route do not', () => {
  const routes = ['default', '0.0.0.0/0', '192.168.34.0/24', '172.17.0.0/16'].map((dst) => ({ dst }))
  expect(foreignRoute(routes)).toBeUndefined()
})
