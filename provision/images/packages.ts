/**
 * Debian's packages on this machine: which are missing, how to get them, and the mirror that apt uses.
 */
import { existsSync } from 'node:fs'
import { LabError } from '../process/errors.ts'

/** Package → a file that it brings. */
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

/** Installs what is missing where it may; otherwise says the command that does. */
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

/** The mirror that this machine's apt uses for Debian, or `MULTIHOST_MIRROR`. */
export async function debianMirror(): Promise<string> {
  const chosen = process.env.MULTIHOST_MIRROR
  if (chosen) return chosen
  const args = ['indextargets', '--format', '$(ORIGIN)|$(LABEL)|$(SITE)', 'Created-By: Packages']
  const { execa } = await import('execa') // loaded where it is used: `lab exec` is to start fast
  const { stdout } = await execa('apt-get', args, { reject: false })
  const mirror = (stdout ?? '')
    .split('\n')
    .map((line) => line.split('|'))
    .find(([origin, label]) => origin === 'Debian' && label === 'Debian')?.[2]
  if (mirror) return mirror
  throw new LabError("this machine's apt knows no Debian mirror", {
    hint: 'set MULTIHOST_MIRROR to the address of one (the folder that has dists/ and pool/)',
  })
}
