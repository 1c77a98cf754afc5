/**
 * Files in memory, behind the calls of `node:fs/promises` that the driver makes for its journal and its copy
 * of the store. The real disk would answer in an order that no seed repeats.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'

/** Paths below are in memory; every other path is the real file system's. */
export const memoryFolder = '/in-memory'

const promises = createRequire(import.meta.url)('node:fs/promises')
const files = new Map<string, string>()
/** What the disk takes for an operation that waits for it. */
let disk: () => Promise<void> = async () => undefined

/** Only the calls below are there: another one of a path in memory fails. */
export function installFiles(): void {
  const real = { ...promises }
  for (const [name, call] of Object.entries(calls)) {
    promises[name] = (path: unknown, ...args: unknown[]) =>
      isInMemory(path) ? (call as Call)(path, ...args) : real[name](path, ...args)
  }
  syncBuiltinESMExports()
}

/** No files. */
export function resetFiles(slowness: typeof disk): void {
  files.clear()
  disk = slowness
}

type Call = (path: string, ...args: unknown[]) => Promise<unknown>

const calls = {
  mkdir: async () => undefined,
  async open(path: string, flags: string) {
    if (flags === 'w') files.set(path, '')
    const write = async (text: string): Promise<void> => void files.set(path, files.get(path) + text)
    return { write, writeFile: write, sync: disk, close: async () => undefined }
  },
  async writeFile(path: string, text: string) {
    await disk()
    files.set(path, text)
  },
  async rm(path: string) {
    await disk()
    files.delete(path)
  },
  async rename(from: string, to: string) {
    await disk()
    files.set(to, read(from))
    files.delete(from)
  },
  async readFile(path: string) {
    await disk()
    return read(path)
  },
  /** Without O_CREAT. */
  async appendFile(path: string, text: string) {
    await disk()
    files.set(path, read(path) + text)
  },
}

function isInMemory(path: unknown): path is string {
  return typeof path === 'string' && path.startsWith(memoryFolder)
}

function read(path: string): string {
  const text = files.get(path)
  if (text !== undefined) return text
  throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' })
}
