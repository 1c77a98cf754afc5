/**
 * Network namespaces of a test's own, in a folder of its own, gone when the test is over.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Namespaces extends Disposable {
  folder: string
  /** Makes it, with its loopback up, and returns its path. */
  add(name: string): string
  /** Batches lines of `ip` (or another tool) in it; throws with the tool's words. */
  ip(path: string, lines: string, tool?: string): void
  /** Runs a command in it. */
  run(path: string, ...command: string[]): { code: number; stdout: string; stderr: string }
}

export const isRoot = process.getuid?.() === 0

/** Kernel tests cannot run without root: say so where it is seen, instead of being green for nothing. */
export function warnWhenNotRoot(): void {
  if (!isRoot)
    process.stderr.write('\n*** NOT ROOT: the kernel tests are SKIPPED, run them with sudo ***\n\n')
}

export function namespaces(): Namespaces {
  const folder = mkdtempSync(join(tmpdir(), 'multihost-netns-'))
  const run: Namespaces['run'] = (path, ...command) => {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${path}`, ...command], {
      encoding: 'utf8',
    })
    // a test that expects a failure must not be content with this one
    if (/failed to execute/.test(stderr)) throw new Error(`${command[0]} is not installed: ${stderr.trim()}`)
    return { code: status ?? -1, stdout, stderr }
  }
  return {
    folder,
    add(name) {
      const path = join(folder, name)
      writeFileSync(path, '')
      execFileSync('unshare', [`--net=${path}`, 'ip', 'link', 'set', 'lo', 'up'])
      return path
    },
    ip(path, lines, tool = 'ip') {
      execFileSync('nsenter', [`--net=${path}`, tool, '-batch', '-'], {
        input: lines,
        stdio: ['pipe', 'pipe', 'pipe'],
      })
    },
    run,
    [Symbol.dispose]() {
      for (const name of readdirSync(folder)) spawnSync('umount', ['-l', join(folder, name)])
      rmSync(folder, { recursive: true })
    },
  }
}
