/** The driver's options in /etc/default/docker: what a person or provisioning wrote stays. */
import { describe, expect, test } from 'vitest'
import { withDriver, withoutDriver, wordsIn } from '../../../../driver/membership/options-file.ts'
import { mergeOptionsFile } from '../../../../provision/steps/options-file.ts'

const words = ['--kv-store=consul://192.168.33.10:8500', '--bind-interface=eth1']
const dns = '169.254.255.53'
const provisioned = mergeOptionsFile('# mine\n', {
  dockerOpts: `--dns=${dns} --default-address-pool=base=172.17.0.0/16,size=16`,
  multihostOpts: words.join(' '),
})

test('a file without options gets a block', () => {
  expect(withDriver('', words)).toMatchInlineSnapshot(`
    "# multihost: begin: written by 'multihost join', read by multihost.service
    MULTIHOST_OPTS="--kv-store=consul://192.168.33.10:8500 --bind-interface=eth1"
    # multihost: end
    "
  `)
})

describe.each([
  ['an empty file', ''],
  ['lines of a person', '# mine\nDOCKER_OPTS="--debug"\nexport http_proxy=x\n'],
])('%s', (_, text) => {
  test('is as before after the driver has come and gone', () => {
    expect(withoutDriver(withDriver(text, words, dns), dns)).toBe(text)
  })
})

test('a last line without a line feed gets one, and stays', () => {
  expect(withoutDriver(withDriver('# mine', words))).toBe('# mine\n')
})

test('in the block of provisioning, options and the address for DNS come and go', () => {
  const without = withoutDriver(provisioned, dns)
  expect(without).not.toMatch(/MULTIHOST_OPTS|169\.254/)
  expect(wordsIn(without, 'DOCKER_OPTS')).toEqual(['--default-address-pool=base=172.17.0.0/16,size=16'])
  expect(withDriver(without, words, dns)).toBe(provisioned)
  expect(withDriver(without, words)).not.toContain('169.254')
})

test('written twice it is the same, and other options replace the earlier ones wherever they stand', () => {
  for (const text of ['', provisioned, 'MULTIHOST_OPTS=--kv-store=consul://a\n# mine\n']) {
    const once = withDriver(text, words)
    expect(withDriver(once, words)).toBe(once)
    expect(wordsIn(once, 'MULTIHOST_OPTS')).toEqual(words)
    expect(once.match(/MULTIHOST_OPTS/g)).toHaveLength(1)
  }
})

test.each([
  ['MULTIHOST_OPTS="--a=1  --b=2"\n', ['--a=1', '--b=2']],
  ["MULTIHOST_OPTS='--a=1'\n", ['--a=1']],
  ['MULTIHOST_OPTS=--a=1', ['--a=1']],
  ['MULTIHOST_OPTS="--a=1"\nMULTIHOST_OPTS="--b=2"\n', ['--b=2']],
  ['#MULTIHOST_OPTS="--a=1"\n', undefined],
  ['MULTIHOST_OPTS = "--a=1 --b=2"\n', ['--a=1', '--b=2']],
  ['MULTIHOST_OPTS="--a=1"\r\nOTHER=1\r\n', ['--a=1']],
  ['MULTIHOST_OPTS=--a=1 \\\r\n  --b=2\r\n', ['--a=1', '--b=2']],
])('of %j the words are %j', (text, found) => {
  expect(wordsIn(text, 'MULTIHOST_OPTS')).toEqual(found)
})

test.each(['--a=b c', '--a="b"', '--a=$b', '--a=`b`', '--a=\\b', "--a='b'"])('%s is refused', (word) => {
  expect(() => withDriver('', [word])).toThrow(/cannot be written into \/etc\/default\/docker/)
})

test.each([
  [
    'two lines in quotes',
    `MULTIHOST_OPTS="--kv-store=https://a:8501 --kv-ca-file=/etc/a.pem\n   --log-level=debug"\n`,
  ],
  ['single quotes', `MULTIHOST_OPTS='--kv-store=https://a:8501 --kv-ca-file=/etc/a.pem --log-level=debug'\n`],
  [
    'a continued line',
    'MULTIHOST_OPTS=--kv-store=https://a:8501 \\\n --kv-ca-file=/etc/a.pem --log-level=debug\n',
  ],
])('%s are read and removed whole', (_, text) => {
  expect(wordsIn(text, 'MULTIHOST_OPTS')).toEqual([
    '--kv-store=https://a:8501',
    '--kv-ca-file=/etc/a.pem',
    '--log-level=debug',
  ])
  expect(withoutDriver(`# mine\n${text}# end\n`)).toBe('# mine\n# end\n')
})

test.each([
  'MULTIHOST_OPTS = "--kv-store=a"\n',
  'MULTIHOST_OPTS="--kv-store=a"\r\n',
  "  MULTIHOST_OPTS= '--kv-store=a'\n",
])('%j goes whole, and other lines stay', (line) => {
  expect(withoutDriver(`# mine\r\n${line}OTHER=1\r\n`)).toBe('# mine\r\nOTHER=1\r\n')
})

test('text behind the quotes is said, since systemd takes it as a part of the value', () => {
  expect(() => wordsIn('DOCKER_OPTS="--debug" # mine\n', 'DOCKER_OPTS')).toThrow(
    /DOCKER_OPTS has text behind its quotes, .*: "--debug" # mine$/,
  )
})

test('a quote without its end is refused', () => {
  expect(() => wordsIn('MULTIHOST_OPTS="--kv-store=a\n', 'MULTIHOST_OPTS')).toThrow(/quote without its end/)
})
