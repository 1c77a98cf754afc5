import { execFileSync, spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { redirectPort, removeRedirect } from '../../../../driver/kernel/redirect.ts'
import type { Run } from '../../../../driver/kernel/run-command.ts'
import { unitText } from '../../../../provision/package/host-files.ts'
import { isRoot, namespaces, warnWhenNotRoot } from '../../../fixtures/namespaces.ts'

warnWhenNotRoot()

const unit = unitText({ node: '/n', program: '/p', startSeconds: 60 })
const capabilities = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? []
const rights = capabilities.map((each) => `+${each.replace('CAP_', '').toLowerCase()}`).join(',')

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

test.skipIf(!isRoot || !isInstalled('setpriv')).for(['iptables-legacy', 'iptables-nft'])(
  'without nft the way to the driver’s DNS is made by %s, with the rights of the unit',
  async (program, { skip }) => {
    skip(!isInstalled(program), `${program} is not installed`)
    using spaces = namespaces()
    const host = spaces.add('host')
    const run: Run = async ([tool = '', ...args]) => {
      if (tool === 'nft') return { code: 1, stdout: '', stderr: 'nft: not found' }
      const command = [tool === 'iptables' ? program : tool, ...args]
      return spaces.run(host, 'setpriv', `--bounding-set=-all,${rights}`, '--inh-caps=-all', ...command)
    }
    const rules = () =>
      execFileSync('nsenter', [`--net=${host}`, program, '-t', 'nat', '-S'], { encoding: 'utf8' })
    const of = { address: '169.254.255.53', port: 53, to: 61_053 }
    await redirectPort(run, [], of)
    expect(rules().match(/-j DNAT --to-destination 169\.254\.255\.53:61053/g)).toHaveLength(4)
    await removeRedirect(run, [], of)
    expect(rules()).not.toContain('DNAT')
  },
)

test.skipIf(!isRoot || !isInstalled('nft'))(
  'questions over UDP and TCP are led to the driver’s port',
  async () => {
    using spaces = namespaces()
    const host = spaces.add('host')
    const run: Run = async ([tool = '', ...args], input = '') => {
      const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${host}`, tool, ...args], {
        encoding: 'utf8',
        input,
      })
      return { code: status ?? -1, stdout, stderr }
    }
    await redirectPort(run, [], { address: '169.254.255.53', port: 53, to: 61_053 })
    const at = (port: number) => `pack_sockaddr_in(${port}, inet_aton(q(169.254.255.53)))`
    const ask = (kind: string) =>
      spaces.run(
        host,
        'perl',
        '-MSocket',
        '-e',
        `socket(my $s, AF_INET, ${kind}, 0) or die $!; bind($s, ${at(61_053)}) or die $!; ${kind === 'SOCK_STREAM' ? 'listen($s, 1) or die $!;' : ''}
      socket(my $c, AF_INET, ${kind}, 0) or die $!; alarm 3; connect($c, ${at(53)}) or die $!; send($c, "x", 0) or die $!;
      ${kind === 'SOCK_STREAM' ? 'accept(my $t, $s) or die $!; recv($t, my $got, 9, 0);' : 'recv($s, my $got, 9, 0);'} print $got`,
      )
    expect([ask('SOCK_DGRAM'), ask('SOCK_STREAM')]).toMatchObject([{ stdout: 'x' }, { stdout: 'x' }])
  },
)
