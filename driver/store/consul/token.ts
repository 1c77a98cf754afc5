/**
 * Consul's ACL token. Its file may come later than the driver, and change while the driver runs: an agent of
 * Vault writes it, and a person who revokes a token. An empty file, as of a template whose variable is not
 * set, is no token: a Consul without ACLs takes none.
 */
import { DriverError } from '../../core/errors.ts'
import { fileOfOption } from './file-of-option.ts'

export interface Token {
  /** Undefined: the anonymous token. */
  text(): string | undefined
  /** As a sentence, while the file is there and has no token. */
  lack(): string | undefined
  /** Reads the file again. True when the token is not the `used` one. A token that is not there any more stays. */
  renew(used: string | undefined): boolean
}

/** Throws `unavailable` while the file is not there, or has something else. */
export function openToken(file: string | undefined): Token {
  if (file === undefined) return { text: () => undefined, lack: () => undefined, renew: () => false }
  let token = tokenIn(file)
  return {
    text: () => token,
    lack: () => (token === undefined ? `the file of --kv-token-file=${file} is empty` : undefined),
    renew(used) {
      try {
        token = tokenIn(file) ?? token
      } catch {
        // Consul's answer to the earlier token says what is wrong.
      }
      return token !== used
    },
  }
}

function tokenIn(file: string): string | undefined {
  const token = fileOfOption('--kv-token-file', file).toString().trim()
  if (token === '') return undefined
  if (/^\S+$/.test(token)) return token
  throw new DriverError('unavailable', `the file of --kv-token-file=${file} has more than one word`, {
    hint: "it must hold the token's SecretID alone",
  })
}
