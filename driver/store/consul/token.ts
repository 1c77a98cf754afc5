/**
 * Consul's ACL token. Its file may come later than the driver, and change while the driver runs: an agent of
 * Vault writes it, and a person who revokes a token. An empty file, as of a template whose variable is not
 * set, is no token: a Consul without ACLs takes none.
 */
import { readFileSync } from 'node:fs'
import { DriverError } from '../../core/errors.ts'

export interface Token {
  /** Undefined: the anonymous token. */
  text(): string | undefined
  /** As a sentence, while the file is there and has no token. */
  lack(): string | undefined
  /** Reads the file again. A token that is not there any more stays. */
  renew(): void
}

/** Throws `unavailable` while the file is not there, or has something else. */
export function openToken(file: string | undefined): Token {
  if (file === undefined) return { text: () => undefined, lack: () => undefined, renew: () => undefined }
  let token = tokenIn(file)
  return {
    text: () => token,
    lack: () => (token === undefined ? `the file of --kv-token-file=${file} is empty` : undefined),
    renew() {
      try {
        token = tokenIn(file) ?? token
      } catch {
        // Consul's answer to the token of before says what is wrong.
      }
    },
  }
}

function tokenIn(file: string): string | undefined {
  const token = contentOf(file).trim()
  if (token === '') return undefined
  if (/^\S+$/.test(token)) return token
  throw new DriverError('unavailable', `the file of --kv-token-file=${file} has more than one word`, {
    hint: "it must hold the token's SecretID alone",
  })
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const message = `--kv-token-file=${file} cannot be read: ${(cause as Error).message}`
    throw new DriverError('unavailable', message, { hint: 'put the file there, or name another one', cause })
  }
}
