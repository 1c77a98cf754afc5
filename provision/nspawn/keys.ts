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
    client: pair(`lab ${lab}`),
    hosts: Object.fromEntries(names.map((name) => [name, pair(name)])),
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, JSON.stringify(keys), { mode: 0o600 })
  return keys
}

function pair(comment: string): KeyPair {
  const { private: secret, public: open } = ssh2.utils.generateKeyPairSync('ed25519', { comment })
  return { private: secret, public: open }
}
