/**
 * Debian's mirror for image builds, and whether a file of a mirror can be fetched.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { debianSite, indexTargets } from './pins.ts'

/** MULTIHOST_MIRROR, or the mirror that this machine's apt uses for Debian. */
export async function debianMirror(): Promise<string> {
  const chosen = process.env.MULTIHOST_MIRROR
  if (chosen) return chosen
  const { execa } = await import('execa') // loaded here, since `lab exec` must start fast
  const { stdout } = await execa('apt-get', indexTargets, { reject: false })
  const mirror = debianSite(stdout ?? '')
  if (mirror) return mirror
  throw new LabError("this machine's apt knows no Debian mirror", {
    hint: 'set MULTIHOST_MIRROR to the address of one (the folder that has dists/ and pool/)',
  })
}

/** Why apt cannot fetch the URL, by its own means (proxies, credentials); undefined when it can. */
export async function unreachable(url: string): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-mirror-'))
  const limits = ['Acquire::Retries=0', 'Acquire::http::Timeout=5', 'Acquire::https::Timeout=5']
  const args = [...limits.flatMap((each) => ['-o', each]), 'download-file', url, join(folder, 'file')]
  try {
    const { execa } = await import('execa')
    const tried = await execa('/usr/lib/apt/apt-helper', args, { reject: false })
    if (!tried.failed) return undefined
    return /Failed to fetch \S+\s+(.*)/.exec(tried.stderr ?? '')?.[1] ?? tried.shortMessage
  } finally {
    rmSync(folder, { recursive: true })
  }
}
