import { expect, test } from 'vitest'
import { contents } from '../../../../provision/package/contents.ts'
import { controlFiles } from '../../../../provision/package/control.ts'

const release = { version: '1.2.3', maintainer: 'A <a@b.invalid>', epochS: 0 }
const parts = {
  bundle: Buffer.from('bundle'),
  node: Buffer.alloc(5000),
  changelog: 'changelog',
  copyright: 'copyright',
  thirdParty: 'third',
}
const deb = contents(parts, release, '/usr')
const control = controlFiles(deb, 'arm64', release)
const textOf = (files: typeof deb, path: string) => String(files.find((file) => file.path === path)?.content)

test('the Debian package has these files', () => {
  expect(deb.map(({ path, mode }) => `${mode.toString(8)} ${path}`).join('\n')).toMatchInlineSnapshot(`
    "755 /usr/bin/multihost
    644 /usr/lib/multihost/multihost.cjs
    755 /usr/lib/multihost/node
    644 /usr/lib/systemd/system/multihost.service
    644 /usr/share/bash-completion/completions/multihost
    644 /usr/share/doc/multihost/THIRD-PARTY-LICENSES
    644 /usr/share/doc/multihost/changelog.gz
    644 /usr/share/doc/multihost/copyright
    644 /usr/share/lintian/overrides/multihost
    644 /usr/share/man/man8/multihost.8.gz
    644 /usr/share/multihost/multihost.default
    644 /usr/share/zsh/vendor-completions/_multihost"
  `)
})

test('the archive has the same files under /usr/local', () => {
  const names = (files: typeof deb) => files.map(({ path }) => path.split('/').at(-1))
  const archive = contents(parts, release, '/usr/local')
  expect(names(archive)).toEqual(names(deb.filter(({ path }) => !path.includes('lintian'))))
  expect(archive.filter(({ path }) => !path.startsWith('/usr/local/'))).toEqual([])
})

test.each(['/usr', '/usr/local'] as const)(
  'unit and command under %s run the Node of the package',
  (prefix) => {
    const files = contents(parts, release, prefix)
    const unit = textOf(files, `${prefix}/lib/systemd/system/multihost.service`)
    expect(unit).toContain(
      `ExecStart=${prefix}/lib/multihost/node --max-semi-space-size=2 ${prefix}/lib/multihost/multihost.cjs daemon $MULTIHOST_OPTS\n`,
    )
    expect(textOf(files, `${prefix}/bin/multihost`)).toContain(
      `\nexec ${prefix}/lib/multihost/node ${prefix}/lib/multihost/multihost.cjs "$@"\n`,
    )
  },
)

test('the options of the package set nothing, so that those in /etc/default/docker count', () => {
  const options = textOf(deb, '/usr/share/multihost/multihost.default')
  expect(options.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([])
})

test('the control file names version, architecture, size and what the driver needs', () => {
  expect(textOf(control, '/DEBIAN/control').replace(/(Size:) \d+/, '$1 …')).toMatchInlineSnapshot(`
    "Package: multihost
    Version: 1.2.3
    Architecture: arm64
    Maintainer: A <a@b.invalid>
    Installed-Size: …
    Depends: iproute2, nftables, systemd, libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 7)
    Recommends: docker.io (>= 20.10) | docker-ce (>= 5:20.10)
    Suggests: consul
    Section: net
    Priority: optional
    Description: one network for containers on several Docker hosts
     A network and IPAM driver for Docker, named vxlan. A network that is created
     on one host exists on all hosts that share a Consul. Containers on it reach
     each other by address and by name, without Swarm and without Kubernetes.
     .
     The package contains the driver, its command and a Node of its own. The driver
     starts when the host joins a cluster: multihost join.
    "
  `)
})

test('the size counts each file and each folder in whole KiB', () => {
  const files = [
    { path: '/usr/bin/a', content: 'x'.repeat(1025), mode: 0o755 },
    { path: '/usr/bin/b', content: 'x', mode: 0o755 },
  ]
  expect(textOf(controlFiles(files, 'amd64', release), '/DEBIAN/control')).toContain('\nInstalled-Size: 5\n')
})

test('no file is a conffile, so that dpkg asks no question, and every file has a checksum', () => {
  expect(control.map(({ path }) => path)).not.toContain('/DEBIAN/conffiles')
  expect(deb.filter(({ path }) => path.startsWith('/etc/'))).toEqual([])
  const sums = textOf(control, '/DEBIAN/md5sums').trim().split('\n')
  expect(sums.map((line) => `/${line.slice(34)}`)).toEqual(deb.map(({ path }) => path))
  expect(sums).toContainEqual('94377c156735b39dfa4ac607234cb87c  usr/lib/multihost/multihost.cjs')
})
