/**
 * Consul's ACL token. Its file may come later than the driver, and change while the driver runs: an agent of
 * Vault writes it, and a person who revokes a token.
 */
import { readFileSync } from 'node:fs'
import { DriverError } from '../../core/errors.ts'

export interface Token {
  /** Undefined: the anonymous token. */
  text(): string | undefined
  /** Reads the file again. A token that is not there any more stays. */
  renew(): void
}

/** Throws `unavailable` while the file has no token. */
export function openToken(file: string | undefined): Token {
  if (file === undefined) return { text: () => undefined, renew: () => undefined }
  let token = tokenIn(file)
  return {
    text: () => token,
    renew() {
      try {
        token = tokenIn(file)
      } catch {
        // Consul's answer to the token of before says what is wrong.
      }
    },
  }
}

function tokenIn(file: string): string {
  const token = contentOf(file).trim()
  if (/^\S+$/.test(token)) return token
  const what = token === '' ? 'is empty' : 'has more than one word'
  throw new DriverError('unavailable', `the file of --kv-token-file=${file} ${what}`, {
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
