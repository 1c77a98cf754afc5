/**
 * The lab's ssh keys: one for the runner and one per host, made with the lab and gone with it.
 */
import { existsSync, readFileSync } from 'node:fs'
import type ssh2 from 'ssh2'
import { writeWhole } from '../../process/whole-file.ts'
import { labPaths } from './paths.ts'

export interface KeyPair {
  private: string
  public: string
}
export interface LabKeys {
  client: KeyPair
  hosts: Record<string, KeyPair>
}

/** The lab's keys, made when there are none yet; the file is the owner's alone. */
export async function labKeys(lab: string, names: readonly string[]): Promise<LabKeys> {
  const file = labPaths(lab).keys
  if (!existsSync(file)) await makeKeys(file, lab, names)
  return JSON.parse(readFileSync(file, 'utf8'))
}

async function makeKeys(file: string, lab: string, names: readonly string[]): Promise<void> {
  const { default: ssh } = await import('ssh2') // loaded here, since `lab exec` must start fast
  if (existsSync(file)) return // hosts boot together, and another one has made them meanwhile
  const keys: LabKeys = {
    client: keyPair(`lab ${lab}`, ssh.utils),
    hosts: Object.fromEntries(names.map((name) => [name, keyPair(name, ssh.utils)])),
  }
  writeWhole(file, JSON.stringify(keys), 0o600)
}

/**
 * ssh2 writes one ed25519 key in 256 wrongly: it drops a leading zero byte of the public part (its
 * keygen.js), and neither it nor OpenSSH reads that again. Such a pair is not taken.
 */
export function keyPair(comment: string, { generateKeyPairSync, parseKey }: typeof ssh2.utils): KeyPair {
  for (;;) {
    const { private: secret, public: open } = generateKeyPairSync('ed25519', { comment })
    if (!(parseKey(secret) instanceof Error)) return { private: secret, public: open }
  }
}
