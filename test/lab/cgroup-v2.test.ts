/**
 * The lab on cgroup v2, on a machine that has v1: in a mount namespace where /sys/fs/cgroup is v2's one
 * hierarchy. Its controllers are v1's still, so that nothing is limited there; hosts, engines and containers
 * are placed by v2.
 */
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { cgroupVersion } from '../../provision/backends/nspawn/cgroup.ts'
import { remains } from './machine.ts'

const name = 'tv2'
const ask = [
  'stat -f -c %T /sys/fs/cgroup',
  "docker info -f 'engine: {{.CgroupVersion}}, {{.CgroupDriver}}'",
  'docker network create -d vxlan --ipam-driver vxlan apart',
  'docker run --rm --network apart debian:13 grep ^0 /proc/self/cgroup',
].join(' && ')

const script = `
  mount -t cgroup2 none /sys/fs/cgroup || exit 77
  lab() { verb=$1; shift; "${process.execPath}" provision/start.mjs provision/lab.ts $verb --lab ${name} "$@"; }
  lab up >&2 && lab exec net-1 -- sh -c ${JSON.stringify(ask)}; code=$?
  ls -d /sys/fs/cgroup/multihost-lab/${name}/*/ | wc -l
  lab down >&2; ls -d /sys/fs/cgroup/multihost-lab/${name} 2>/dev/null
  exit $code`

test.skipIf(cgroupVersion() === 2)(
  'hosts, engines and containers run on cgroup v2 as well, and leave nothing',
  async ({ skip }) => {
    const cwd = fileURLToPath(new URL('../..', import.meta.url))
    const { exitCode, stdout, stderr } = await execa(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', script],
      { cwd, reject: false },
    )
    skip(exitCode === 77, `cgroup2 cannot be mounted: ${stderr}`)
    expect(exitCode, stderr).toBe(0)
    const [kind, engine, , container, hosts, ...left] = stdout.split('\n')
    expect({ kind, engine, container, hosts, left }).toEqual({
      ...{ kind: 'cgroup2fs', engine: 'engine: 2, systemd', container: '0::/', hosts: '3', left: [] },
    })
    expect(remains(name)).toEqual([])
  },
)
