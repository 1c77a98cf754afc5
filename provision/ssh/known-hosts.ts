/**
 * known_hosts files: which keys a host has there, and adding one. Source: sshd(8), SSH_KNOWN_HOSTS FILE
 * FORMAT.
 *
 * Names may be hashed (HMAC-SHA1). Patterns and lines with a marker (@cert-authority, @revoked) are ignored.
 */
import { createHmac } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { keyType } from './handshake.ts'

/** The host's keys in base64; empty when the file does not know it. */
export function knownKeys(content: string, address: string, port: number): string[] {
  const name = nameOf(address, port)
  return content.split('\n').flatMap((line) => {
    const [names = '', , key = ''] = line.trim().split(/\s+/)
    return !/^[#@]/.test(names) && key && names.split(',').some((each) => matches(each, name)) ? [key] : []
  })
}

export function readKnownHosts(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

export function addKnownHost(file: string, address: string, port: number, hostKey: Buffer): void {
  const key = hostKey.toString('base64')
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const before = readKnownHosts(file)
  const newline = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(file, `${newline}${nameOf(address, port)} ${keyType(key)} ${key}\n`, { mode: 0o600 })
}

function nameOf(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`
}

function matches(word: string, name: string): boolean {
  const [, version, salt = '', hash] = word.split('|')
  if (version !== '1') return word === name
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
}
