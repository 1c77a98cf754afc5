/**
 * Debian roots by mmdebstrap(1), from Debian's mirror alone: as a folder, or as a tar.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { checkInterrupted } from '../process/interruption.ts'
import { labCommand } from '../process/lab-command.ts'
import { shellQuote } from '../process/quote.ts'
import { ownNamespaces, run } from '../process/run.ts'
import { cacheRoot, temporaryOf } from './cache.ts'
import { debianMirror } from './mirror.ts'
import { type Pin, preferences } from './pins.ts'

export interface Root {
  suite: string
  packages: readonly string[]
  /** Packages of other releases, which are installed too. */
  pins?: readonly Pin[]
  /** Shell commands that run on the finished root, whose path is `$1`. */
  customize?: readonly string[]
  format?: 'directory' | 'tar'
  /** Documentation, manual pages and translations stay. */
  withDocs?: boolean
}

const aptOptions = [
  'Acquire::Check-Valid-Until "false"', // a mirror may be a snapshot past its date
  'Acquire::Retries "2"',
  'Acquire::http::Timeout "20"',
]
const documentation = ['doc', 'man', 'locale', 'info']

/** Builds the root at `part`. `sources` are more lines of sources.list(5); `signal` ends the build. */
export async function mmdebstrap(
  root: Root,
  part: string,
  { sources = [], signal }: { sources?: readonly string[]; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { suite, packages, pins = [], format = 'directory' } = root
  const temporary = temporaryOf(part)
  mkdirSync(temporary, { recursive: true })
  const mirror = await debianMirror()
  const releases = [...new Set([suite, ...pins.map((pin) => pin.release)])]
  const lines = [...releases.map((release) => `deb ${mirror} ${release} main`), ...sources]
  const include = [...new Set([...packages, ...pins.flatMap((pin) => pin.packages)])]
  const options = [
    ...aptOptions.flatMap((option) => ['--aptopt', option]),
    ...(root.withDocs ? [] : documentation).flatMap((each) => [
      '--dpkgopt',
      `path-exclude=/usr/share/${each}/*`,
    ]),
    ...pinningHook(pins, temporary),
    ...(root.customize ?? []).flatMap((command) => ['--customize-hook', command]),
    `--format=${format}`,
    `--include=${include.join(',')}`,
  ]
  const build = ['mmdebstrap', '--variant=minbase', '--mode=root', ...options, suite, part, ...lines]
  try {
    // In namespaces of its own and tied to this process's life: cut off, it leaves no mount and no process.
    // In a session of its own: when it fails it signals its process group, which must not be ours.
    await run('setpriv', [...ownNamespaces, 'setsid', 'env', `TMPDIR=${temporary}`, ...build], { signal })
  } catch (error) {
    checkInterrupted()
    throw new LabError(`the image could not be built: ${buildProblem(error, mirror)}`, {
      hint: `correct that, and repeat the command; "${labCommand} doctor" checks this machine`,
      cause: error,
    })
  }
}

function pinningHook(pins: readonly Pin[], temporary: string): string[] {
  if (pins.length === 0) return []
  const file = join(temporary, 'pins')
  writeFileSync(file, pins.map(preferences).join('\n'))
  const copy = `mkdir -p "$1"/etc/apt/preferences.d && cp ${shellQuote(file)} "$1"/etc/apt/preferences.d/lab`
  return ['--setup-hook', copy]
}

/** The cause in the long output of apt and mmdebstrap. */
function buildProblem(error: unknown, mirror: string): string {
  const output =
    error instanceof Error
      ? String((error.cause as { stderr?: string } | undefined)?.stderr ?? error.message)
      : String(error)
  if (/No space left on device|not have enough free space|statvfs|write error/i.test(output))
    return `the disk of ${cacheRoot} is full`
  const unreachable =
    /(Could not connect|Could not resolve|Connection failed|Unable to connect|Temporary failure|Could not wait|timed out)[^\n]*/.exec(
      output,
    )?.[0]
  if (unreachable) return `the mirror ${mirror} does not answer: ${unreachable}`
  const errors = output.split('\n').filter((line) => /^[EW]:/.test(line))
  return errors.slice(0, 3).join('; ') || output.slice(-300)
}
