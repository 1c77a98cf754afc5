/**
 * The authority that Consul's certificate is checked by, and this host's own certificate, in PEM files. They
 * are read again when a connection fails: an agent of Vault, or a timer, renews certificates of some days
 * while the driver runs.
 */
import { createSecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { defined } from '../../core/defined.ts'
import { fileOfOption } from './file-of-option.ts'

/** Undefined: the machine's authorities; no certificate of this host. */
export interface CertificateFiles {
  caFile?: string
  certFile?: string
  keyFile?: string
}

export interface Pem {
  ca?: Buffer
  cert?: Buffer
  key?: Buffer
}

export interface Certificates {
  pem(): Pem
  /**
   * Reads the files again. True when they are not the `used` ones. Files that are gone, or do not fit each
   * other (the key comes a moment later), change nothing.
   */
  renew(used: Pem): boolean
}

/** Throws `unavailable` while a file is not there. */
export function openCertificates(files: CertificateFiles): Certificates {
  let pem = read(files)
  return {
    pem: () => pem,
    renew(used) {
      try {
        const now = read(files)
        if (isDeepStrictEqual(now, pem)) return pem !== used
        createSecureContext(now)
        pem = now
      } catch {
        // The failure of the connection says what is wrong with the earlier ones.
      }
      return pem !== used
    },
  }
}

function read({ caFile, certFile, keyFile }: CertificateFiles): Pem {
  const pemIn = (what: string, file: string | undefined): Buffer | undefined =>
    file === undefined ? undefined : fileOfOption(`--kv-${what}-file`, file)
  return defined({ ca: pemIn('ca', caFile), cert: pemIn('cert', certFile), key: pemIn('key', keyFile) })
}
