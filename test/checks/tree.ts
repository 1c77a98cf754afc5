/**
 * The files of the tree that Git knows or would add, as the checks read them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { SourceFile } from './imports.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** @example filesOf(['*.ts', '*.mjs']) */
export function filesOf(patterns: readonly string[]): SourceFile[] {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate', '--', ...patterns]
  return execFileSync('git', list, { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '' && existsSync(`${root}${path}`))
    .map((path) => ({ path, text: readFileSync(`${root}${path}`, 'utf8') }))
}
