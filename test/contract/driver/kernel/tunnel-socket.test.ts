import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { isRoot, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'

warnWhenNotRoot()

const program = fileURLToPath(new URL('../../../fixtures/tunnel-sockets.ts', import.meta.url))

test.runIf(isRoot)(
  'each port has a socket of its own, which can be closed and opened again beside the others',
  () => {
    const script = `ip link set lo up && ip address add 192.168.33.11/32 dev lo && exec node --import tsx ${program}`
    const heard = execFileSync('unshare', ['--net', 'sh', '-c', script], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect(heard.split('\n')).toEqual([
      '4789 0000000000000001',
      '8472 0000000000000002',
      '8472 0000000000000003',
      '4789 0000000000000004',
    ])
  },
  90_000,
)
