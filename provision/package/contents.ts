/**
 * The files of a package, by prefix: the Debian package has them under /usr, the archive under /usr/local.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { bashCompletion, zshCompletion } from './completion.ts'
import { completionsOf, helpEntries } from './help.ts'
import { commandText, hostPaths, type Prefix, unitText } from './host-files.ts'
import { manualPage } from './manual.ts'
import type { Release } from './release.ts'

export interface PackageFile {
  /** Absolute, on the host. */
  path: string
  content: string | Buffer
  mode: number
}

/** What is the same for both kinds of package. */
export interface Parts {
  bundle: Buffer
  node: Buffer
  changelog: string
  copyright: string
  thirdParty: string
}

const overridesPath = '/usr/share/lintian/overrides/multihost'
const zshFolder = { '/usr': 'vendor-completions', '/usr/local': 'site-functions' }

/** Sorted by path. */
export function contents(parts: Parts, release: Release, prefix: Prefix): PackageFile[] {
  const paths = hostPaths(prefix)
  const share = `${prefix}/share`
  const help = helpEntries()
  const completions = completionsOf(help)
  const text = (path: string, content: string | Buffer): PackageFile => ({ path, content, mode: 0o644 })
  const program = (path: string, content: string | Buffer): PackageFile => ({ path, content, mode: 0o755 })
  const files = [
    program(paths.node, parts.node),
    text(paths.program, parts.bundle),
    program(paths.command, commandText(paths)),
    text(`${prefix}/lib/systemd/system/multihost.service`, unitText({ ...paths, startSeconds: 45 })),
    text(`${share}/multihost/multihost.default`, ownFile('templates/multihost.default')),
    text(`${share}/man/man8/multihost.8.gz`, gzip(manualPage(help, release))),
    text(`${share}/bash-completion/completions/multihost`, bashCompletion(completions)),
    text(`${share}/zsh/${zshFolder[prefix]}/_multihost`, zshCompletion(completions)),
    text(`${share}/doc/multihost/changelog.gz`, gzip(parts.changelog)),
    text(`${share}/doc/multihost/copyright`, parts.copyright),
    text(`${share}/doc/multihost/THIRD-PARTY-LICENSES`, parts.thirdParty),
    ...(prefix === '/usr' ? [text(overridesPath, ownFile('debian/lintian-overrides'))] : []),
  ]
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** A file of this folder. */
function ownFile(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8')
}

/** By gzip(1): the zlib of another Node or processor may compress otherwise. */
function gzip(text: string): Buffer {
  return execFileSync('gzip', ['-9n'], { input: text })
}

/** A script of this folder, with the functions that several have. */
export function ownScript(path: string): string {
  return ownFile(path).replace('. ./member.sh\n', () => ownFile('templates/member.sh'))
}
