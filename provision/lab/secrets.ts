/**
 * What a secured Consul needs: a certificate authority, one certificate for all servers, and a token per
 * Docker host. openssl(1) makes them once per lab, beside the lab's ssh keys.
 *
 * Secrets are never arguments of a command, and never in a file that other users can read.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../process/run.ts'
import { writeWhole } from '../process/whole-file.ts'
import { hostsOfRole, type Lab } from './definition.ts'

export interface Secrets {
  /** PEM: the authority's certificate, the server's, and the server's key. */
  authority: string
  certificate: string
  key: string
  /** Consul's ACL token of each Docker host, by its name. */
  tokens: Readonly<Record<string, string>>
}

const years = ['-days', '3650']
const keyKind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']

/** Reads the folder's secrets; makes them when there are none. */
export async function secretsIn(folder: string, lab: Lab): Promise<Secrets> {
  if (!existsSync(join(folder, 'tokens.json'))) await makeSecrets(folder, lab)
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  return {
    authority: read('authority.pem'),
    certificate: read('consul.pem'),
    key: read('consul.key'),
    tokens: JSON.parse(read('tokens.json')),
  }
}

async function makeSecrets(folder: string, lab: Lab): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = (name: string) => join(folder, name)
  const servers = hostsOfRole(lab, 'consul').flatMap(({ name, address }) => [`IP:${address}`, `DNS:${name}`])
  await authority(file('authority'), 'multihost lab')
  await signed(file('consul'), file('authority'), [...servers, 'IP:127.0.0.1', 'DNS:localhost'].join(','))
  const tokens = hostsOfRole(lab, 'docker').map(({ name }) => [name, randomUUID()])
  writeWhole(file('tokens.json'), JSON.stringify(Object.fromEntries(tokens)), 0o600)
}

/** Writes PATH.key and PATH.pem. */
export async function authority(path: string, name: string): Promise<void> {
  const files = ['-keyout', `${path}.key`, '-out', `${path}.pem`]
  await run('openssl', ['req', '-x509', ...keyKind, ...years, '-subj', `/CN=${name}`, ...files])
}

/** Writes PATH.key and PATH.pem, which the authority has signed for the names (`IP:…,DNS:…`). */
async function signed(path: string, by: string, names: string): Promise<void> {
  const request = ['-keyout', `${path}.key`, '-out', `${path}.csr`]
  await run('openssl', [
    'req',
    '-new',
    ...keyKind,
    '-subj',
    '/CN=consul',
    '-addext',
    `subjectAltName=${names}`,
    ...request,
  ])
  const signer = ['-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-CAcreateserial', '-copy_extensions', 'copy']
  await run('openssl', ['x509', '-req', '-in', `${path}.csr`, ...signer, ...years, '-out', `${path}.pem`])
}
