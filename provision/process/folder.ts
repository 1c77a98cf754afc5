/** Folders that an environment variable may name. */
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { LabError } from './errors.ts'

/**
 * The folder that the variable names, or the usual one, without symbolic links: the kernel lists mounts by
 * their real paths. A relative path would be another folder in each place, and what is in it is removed
 * with a lab. `longest`: in bytes.
 */
export function folderFrom(variable: string, usual: string, longest = Number.POSITIVE_INFINITY): string {
  const value = process.env[variable] || usual
  const wrong = (what: string, hint?: string) => new LabError(`${variable}=${value}: ${what}`, { hint })
  if (!isAbsolute(value) || dirname(value) === value)
    throw wrong('the absolute path of a folder below /', `for example ${usual}`)
  if (/[,:\\\n]/.test(value))
    throw wrong('a path without comma, colon and backslash, which mount(8) has a meaning for')
  const real = realPath(value)
  const { length } = Buffer.from(real)
  if (length > longest)
    throw wrong(`${length} bytes, and at most ${longest} fit, since the path of a socket has 107`)
  return real
}

/** The folder need not exist yet. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realPath(dirname(path)), basename(path))
}
