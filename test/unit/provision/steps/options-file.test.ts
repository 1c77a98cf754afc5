/** /etc/default/docker: what a person wrote stays, and what dockerd would not start with is found. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { mergeOptionsFile, withoutDuplicates } from '../../../../provision/steps/options-file.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const own = { dockerOpts: '--dns=169.254.255.53', multihostOpts: '--kv-store=consul://192.168.33.10:8500' }
const merge = (text: string): string => mergeOptionsFile(text, own)
const block = merge('')

test('the block has both variables, each in double quotes, between marks', () => {
  expect(block).toMatchInlineSnapshot(`
    "# multihost: begin: written by multihost's provisioning, read by docker.service and multihost.service
    DOCKER_OPTS="--dns=169.254.255.53"
    MULTIHOST_OPTS="--kv-store=consul://192.168.33.10:8500"
    # multihost: end
    "
  `)
})

describe('what a person wrote stays', () => {
  const comment = '# Docker Upstart and SysVinit configuration file\n#DOCKER_OPTS="--dns 8.8.8.8"\n'

  test.each([
    ['before the block', `${comment}${block}`],
    ['behind it', `${block}# mine`],
    ['around it', `${comment}${block}export http_proxy=x\n`],
  ])('%s, and merging again changes nothing', (_, text) => {
    expect(merge(text)).toBe(text)
  })

  test('a file without the block gets it at its end', () => {
    expect(merge('# mine')).toBe(`# mine\n${block}`)
  })

  test.each(['DOCKER_OPTS="--debug"', "DOCKER_OPTS='--debug'", 'DOCKER_OPTS=--debug'])(
    'its %s is continued, wherever it stands',
    (line) => {
      const merged = `${line}\n${block.replace('53"', '53 --debug"')}`
      for (const text of [`${line}\n`, merged, `${block}${line}\n`]) expect(merge(text)).toBe(merged)
    },
  )

  test('the file of an earlier version becomes the block, and its additions stay', () => {
    const file =
      '# Written by multihost\'s provisioning; read by docker.service and multihost.service.\nDOCKER_OPTS="--dns=192.168.33.11"\nMULTIHOST_OPTS="--kv-store=x"\n'
    expect(merge(`${file}# mine\n`)).toBe(`${block}# mine\n`)
  })
})

test.each(['a"b', 'a$b', 'a`b', 'a\\b', 'a\nb'])(
  'an option that would end the quotes or expand is refused: %j',
  (dockerOpts) => {
    expect(() => mergeOptionsFile('', { dockerOpts, multihostOpts: '' })).toThrow(
      /\/etc\/default\/docker: .*must not contain[\s\S]*dockerOpts/,
    )
  },
)

describe('daemon.json and the flags', () => {
  const pool = '--default-address-pool=base=172.17.0.0/16,size=16'
  const flags = (json: string): string => withoutDuplicates(['--dns=169.254.255.53', pool], json, 'net-1')

  test('a file that sets something else, or does not exist, leaves the flag', () => {
    for (const json of ['', '{}', '{"live-restore": true, "data-root": "/srv/docker"}'])
      expect(flags(json)).toBe(`--dns=169.254.255.53 ${pool}`)
  })

  test('a file that says what the flag would replaces it', () => {
    expect(flags('{"dns": ["169.254.255.53", "8.8.8.8"]}')).toBe(pool)
  })

  test('address pools of the file’s stay, and the flags for them go', () => {
    const json = '{"default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]}'
    expect(flags(json)).toBe('--dns=169.254.255.53')
  })

  test('a file that says otherwise is refused, with what to write', () => {
    expect(() => flags('{"dns": ["192.168.33.10"]}')).toThrow(
      /net-1: \/etc\/docker\/daemon.json sets "dns", .* nothing was changed/,
    )
  })

  test.each(['{', '[]x', '7'])('%s is refused: dockerd would not start', (json) => {
    expect(() => flags(json)).toThrow(/is not a JSON object/)
  })
})

describe('before a start of dockerd', () => {
  const script = fileURLToPath(
    new URL('../../../../provision/steps/templates/docker-options.sh', import.meta.url),
  )
  const options =
    '--dns=169.254.255.53 --default-address-pool=base=172.17.0.0/16,size=16 --log-level=warn --debug'

  test.each([
    ['', undefined],
    ['no JSON', undefined],
    ['{"data-root": "/srv"}', undefined],
    ['{"dns": ["10.0.0.1"]}', options.replace('--dns=169.254.255.53 ', '')],
    ['{"default-address-pools": [], "log-level": "info"}', '--dns=169.254.255.53 --debug'],
  ])('options that daemon.json has too are left out: %s', (json, kept) => {
    expect(written({ options, json })).toBe(kept)
  })

  const stub = 'nameserver 127.0.0.53\noptions edns0\n'
  const given = 'nameserver 10.0.0.2\nnameserver 192.168.33.254\n'

  test.each([
    ['the resolvers of the host', { resolv: given }, ['10.0.0.2', '192.168.33.254']],
    ['those of systemd-resolved', { resolv: stub, upstream: given }, ['10.0.0.2', '192.168.33.254']],
    ['three servers at most', { resolv: `${given}nameserver 10.0.0.4\n` }, ['10.0.0.2', '192.168.33.254']],
    ['each once', { resolv: 'nameserver 10.0.0.2\n', upstream: 'nameserver 10.0.0.2\n' }, ['10.0.0.2']],
    [
      'no server that dockerd refuses, and none that containers do not reach',
      {
        resolv:
          '#nameserver 10.0.0.9\nnameserver fe80::1%eth0\nnameserver 10.0.0\nnameserver 10.0.0.256\nnameserver 0.0.0.0\nnameserver 169.254.255.53\nnameserver ::1\n',
      },
      [],
    ],
    ['none behind a person’s own', { resolv: given, options: '--dns=169.254.255.53 --dns=10.9.9.9' }, []],
    ['none for a person’s own alone', { resolv: given, options: '--dns=10.9.9.9' }, []],
    [
      'none where daemon.json names servers',
      { resolv: given, json: '{"dns": ["169.254.255.53"]}' },
      undefined,
    ],
  ])('behind the driver’s address for DNS: %s', (_, files, servers) => {
    const own = '--dns=169.254.255.53'
    const wanted =
      servers?.length === 0 ? undefined : [own, ...(servers ?? []).map((it) => `--dns=${it}`)].join(' ')
    expect(written({ options: own, ...files })).toBe(servers === undefined ? '' : wanted)
  })

  /** DOCKER_OPTS in the file that the script writes; undefined without a file. */
  function written(files: { options: string; json?: string; resolv?: string; upstream?: string }) {
    const folder = temporaryFolder()
    const at = (name: string) => join(folder, name)
    writeFileSync(at('result'), 'of an earlier start')
    const content = { ...files, options: `# a comment\nDOCKER_OPTS="${files.options}"\n` }
    for (const [name, text] of Object.entries(content)) if (text !== '') writeFileSync(at(name), text)
    execFileSync('sh', [script, ...['options', 'json', 'result', 'resolv', 'upstream'].map(at)])
    if (!existsSync(at('result'))) return undefined
    return /^DOCKER_OPTS="(.*)"\n$/.exec(readFileSync(at('result'), 'utf8'))?.[1]
  }
})
