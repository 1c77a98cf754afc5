/**
 * The lab's ssh keys: one for the runner and one per host, made with the lab and gone with it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import ssh2 from 'ssh2'
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
export function labKeys(lab: string, names: readonly string[]): LabKeys {
  const file = labPaths(lab).keys
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'))
  const keys = {
    client: keyPair(`lab ${lab}`),
    hosts: Object.fromEntries(names.map((name) => [name, keyPair(name)])),
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, JSON.stringify(keys), { mode: 0o600 })
  return keys
}

/**
 * ssh2 writes one ed25519 key in 256 wrongly: it drops a leading zero byte of the public part (its
 * keygen.js), and neither it nor OpenSSH reads that again. Such a pair is not taken.
 */
export function keyPair(comment: string): KeyPair {
  for (;;) {
    const { private: secret, public: open } = ssh2.utils.generateKeyPairSync('ed25519', { comment })
    if (!(ssh2.utils.parseKey(secret) instanceof Error)) return { private: secret, public: open }
  }
}
