/**
 * Errors as Node 20 and 24 give them, of a Consul 1.8 and of later ones with TLS 1.3: what they mean, and
 * what to do.
 */
import { expect, test } from 'vitest'
import { failureOf } from '../../../../../driver/store/consul/failures.ts'
import { parseStoreUrl } from '../../../../../driver/store/consul/url.ts'

const openssl = (reason: string) =>
  `80BC0A90CD7F0000:error:0A000412:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/rec_layer_s3.c:1601:SSL alert number 42\n`

test.each<[string, string, string, { code?: string; status?: number; errors?: string[] }, RegExp]>([
  [
    'no client certificate',
    'https://a:8501',
    openssl('tlsv13 alert certificate required'),
    { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' },
    /does not accept this host's certificate: tlsv13 alert certificate required; .*--kv-cert-file .* --kv-key-file/,
  ],
  [
    'no client certificate, by TLS 1.2',
    'https://a:8501',
    openssl('sslv3 alert bad certificate'),
    { code: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE' },
    /does not accept this host's certificate: sslv3 alert bad certificate; .*--kv-cert-file/,
  ],
  [
    "another authority's client certificate",
    'https://a:8501',
    'socket hang up',
    { code: 'ECONNRESET' },
    /ends the connection: socket hang up; .*--kv-cert-file/,
  ],
  [
    'https on a port of HTTP',
    'https://a:8500',
    `write EPROTO ${openssl('wrong version number')}`,
    { code: 'EPROTO' },
    /does not speak TLS on this port; write consul:\/\/ instead of https:\/\//,
  ],
  [
    'http on a port of HTTPS',
    'http://a:8501',
    'Client sent an HTTP request to an HTTPS server.\n',
    { status: 400 },
    /speaks TLS alone on this port; write https:\/\//,
  ],
  [
    'an address that the certificate lacks',
    'https://192.168.33.10:8501',
    "Hostname/IP does not match certificate's altnames: IP: 192.168.33.10 is not in the cert's list: 127.0.0.1",
    { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    /is for other hosts: .*; make a new one with: .*-additional-ipaddress=192\.168\.33\.10; or/,
  ],
  [
    'a name that the certificate lacks',
    'https://consul.example:8501',
    "Hostname/IP does not match certificate's altnames: Host: consul.example. is not in the cert's altnames",
    { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    /-additional-dnsname=consul\.example; or/,
  ],
  [
    'another authority',
    'https://a:8501',
    'unable to verify the first certificate',
    { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    /cannot be trusted: unable to verify the first certificate; --kv-ca-file must be/,
  ],
  [
    'a certificate that has ended',
    'https://a:8501',
    'certificate has expired',
    { code: 'CERT_HAS_EXPIRED' },
    /^the certificate of Consul at .* has ended, or its authority's: certificate has expired; make a new one with: consul tls cert create -server -days=/,
  ],
  [
    'a clock that is behind',
    'https://a:8501',
    'certificate is not yet valid',
    { code: 'CERT_NOT_YET_VALID' },
    /^the certificate of Consul at .* is not valid yet by this host's clock: certificate is not yet valid; set the clock: timedatectl set-ntp true/,
  ],
  [
    "this host's certificate that has ended",
    'https://a:8501',
    openssl('sslv3 alert certificate expired'),
    { code: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED' },
    /does not accept this host's certificate: sslv3 alert certificate expired; make a new certificate for --kv-cert-file/,
  ],
  [
    'the key of another certificate',
    'https://a:8501',
    'error:05800074:x509 certificate routines::key values mismatch',
    { code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' },
    /--kv-cert-file and --kv-key-file cannot be used: key values mismatch/,
  ],
  [
    'a closed port',
    'https://a',
    'connect ECONNREFUSED',
    { code: 'ECONNREFUSED' },
    /does not answer: connect ECONN/,
  ],
  [
    'a closed port at each address of a name',
    'https://a',
    '',
    { code: 'ECONNREFUSED', errors: ['connect ECONNREFUSED 10.0.0.1:443', 'connect ECONNREFUSED ::1:443'] },
    /does not answer: connect ECONNREFUSED 10\.0\.0\.1:443, connect ECONNREFUSED ::1:443; /,
  ],
  [
    'one reason for each address of a name',
    'consul://a',
    'consul: txn: ',
    { code: 'ENETUNREACH', errors: ['connect ENETUNREACH', 'connect ENETUNREACH'] },
    /does not answer: connect ENETUNREACH; /,
  ],
  ['an error without words', 'consul://a', '', { code: 'EPIPE' }, /does not answer: EPIPE; /],
  [
    'a Consul that ends',
    'consul://a',
    'socket hang up',
    { code: 'ECONNRESET' },
    /does not answer: socket hang up/,
  ],
])('%s', (_, url, message, { code, status, errors }, line) => {
  const response = status === undefined ? undefined : { statusCode: status, body: message }
  const failed = errors?.map((each) => new Error(each))
  const base = failed === undefined ? new Error(message) : new AggregateError(failed, message)
  const error = Object.assign(base, { ...(code && { code }), ...(response && { response }) })
  expect(failureOf(error, parseStoreUrl(url)).line).toMatch(line)
})
