/**
 * Debian's packages on this machine: which of those that the lab or the tests need are missing, and their
 * installation.
 */
import { existsSync } from 'node:fs'
import { LabError } from '../process/errors.ts'

/** Package → a file of it; alternatives are separated by `|`. */
export type Needs = Record<string, string>

/** What the nspawn lab needs on this machine. */
export const nspawnNeeds: Needs = {
  mmdebstrap: '/usr/bin/mmdebstrap',
  'systemd-container': '/usr/bin/systemd-nspawn',
  iproute2: '/usr/sbin/ip|/sbin/ip',
  iptables: '/usr/sbin/iptables|/sbin/iptables',
  nftables: '/usr/sbin/nft|/sbin/nft',
  socat: '/usr/bin/socat',
  'util-linux': '/usr/bin/setpriv',
  openssl: '/usr/bin/openssl',
  'debian-archive-keyring': '/usr/share/keyrings/debian-archive-keyring.gpg',
}

/** What the tests need on this machine. */
export const testNeeds: Needs = {
  iproute2: '/usr/sbin/ip|/sbin/ip',
  'iputils-ping': '/usr/bin/ping|/bin/ping',
  'util-linux': '/usr/bin/unshare',
  tcpdump: '/usr/bin/tcpdump|/usr/sbin/tcpdump',
  chromium: '/usr/bin/chromium|/usr/bin/chromium-browser|/usr/bin/google-chrome',
}

export function missing(needs: Needs): string[] {
  return Object.entries(needs)
    .filter(([, files]) => !files.split('|').some((file) => existsSync(file)))
    .map(([name]) => name)
}

/** Installs the missing packages as root; otherwise throws with the command that does. */
export async function install(needs: Needs, say: (line: string) => void): Promise<void> {
  const absent = missing(needs)
  if (absent.length === 0) return
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', ...absent]
  const byHand = `as root: apt-get update && ${command.join(' ')}`
  if (!existsSync('/usr/bin/apt-get')) {
    throw new LabError(`missing on this machine: ${absent.join(', ')}`, {
      hint: 'the nspawn lab installs them on Debian and Ubuntu; elsewhere use your package manager, or `--backend vagrant`',
    })
  }
  if (process.getuid?.() !== 0)
    throw new LabError(`missing on this machine: ${absent.join(', ')}`, { hint: byHand })
  say(`installing ${absent.join(', ')} …`)
  const { execa } = await import('execa')
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const update = await execa('apt-get', ['update', '-q'], { reject: false, env, all: true })
  const result = await execa('apt-get', ['-q', ...command.slice(1)], { reject: false, env, all: true })
  if (!result.failed) return
  const words = [update, result]
    .flatMap((each) => (each.all ?? '').split('\n'))
    .filter((line) => /^E:/.test(line))
  throw new LabError(`apt-get could not install ${absent.join(', ')}: ${words.slice(0, 3).join(' ')}`, {
    hint: byHand,
  })
}
