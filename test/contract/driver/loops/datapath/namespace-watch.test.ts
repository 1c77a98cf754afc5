/**
 * Frames to a MAC that vxlan1 does not know, each of which the kernel reports (`l2miss`).
 */
import { describe, expect, test } from 'vitest'
import { plan } from '../../../../../driver/core/datapath/plan.ts'
import { realKernel } from '../../../../../driver/kernel/real.ts'
import { createNamespaceWatch } from '../../../../../driver/loops/datapath/namespace-watch.ts'
import { datapath } from '../../../../fixtures/datapath.sample.ts'
import { readableLog } from '../../../../fixtures/log.ts'
import { isRoot, namespaces, warnWhenNotRoot } from '../../../../fixtures/namespaces.ts'
import { proven } from '../../../../fixtures/proof.ts'
import { until } from '../../../../fixtures/until.ts'

warnWhenNotRoot()

describe.skipIf(!isRoot)('packets to unknown MACs', () => {
  test('leave the watch of their namespace alive while they are few, and end it for a while in a burst', async () => {
    using spaces = namespaces()
    const host = spaces.add('host')
    const kernel = realKernel({ folder: spaces.folder, hostNamespace: host })
    const namespace = `${spaces.folder}/${'a'.repeat(12)}`
    await kernel.apply(proven(plan(undefined, datapath({ namespace })).ops))
    spaces.ip(
      namespace,
      'address add 10.9.9.9/24 dev br0\nneigh add 10.9.9.8 lladdr 02:42:0a:09:09:08 dev br0 nud permanent',
    )
    /** In portions that the kernel's buffer for `ip monitor` can hold. */
    const send = (packets: number): void => {
      const script = `socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
        for (1..${packets}) {
          send($s, 'x', 0, pack_sockaddr_in(9, inet_aton('10.9.9.8'))) or die $!;
          select(undef, undef, undef, 0.005) if $_ % 50 == 0;
        }`
      expect(spaces.run(namespace, 'perl', '-MSocket', '-e', script)).toMatchObject({ code: 0, stderr: '' })
    }
    let asked = 0
    const { log, entries } = readableLog()
    const watch = createNamespaceWatch({
      kernel,
      log,
      again: () => void asked++,
      lookPauseMs: () => 0,
      noticeMs: { first: 0, next: 0, afterOwn: 60_000 },
    })
    const hearsChange = async (): Promise<void> => {
      watch.isLookDue(false)
      const before = asked
      await until('the watch hears a change', () => {
        spaces.ip(namespace, 'link add probe type veth peer name far\nlink del probe')
        return asked > before
      })
    }
    try {
      await watch.follow(namespace)
      await hearsChange()
      send(100)
      await hearsChange()
      expect(watch.isAlive()).toBe(true)
      send(5000)
      await until('the watch has ended', () => !watch.isAlive())
      await watch.follow(namespace)
      expect(watch.isAlive()).toBe(false)
      expect(entries.map(({ level }) => level)).toEqual(['warn'])
    } finally {
      await watch.close()
      await kernel.close()
    }
  })
})
