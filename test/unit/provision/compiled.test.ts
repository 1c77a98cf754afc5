import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, expect, test } from 'vitest'
import { compiled } from '../../../provision/compiled.mjs'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

let root = ''
beforeEach(() => {
  root = `${temporaryFolder()}/`
})

const put = (file: string, text: string) => {
  mkdirSync(join(root, file, '..'), { recursive: true })
  writeFileSync(join(root, file), text)
}
const compile = () => compiled(root, ['a/main.ts', 'b/other.ts'])

/** What the compiled program prints. */
async function output(): Promise<string> {
  const files = await compile()
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--enable-source-maps', fileURLToPath(files?.[0] ?? '')],
    {
      encoding: 'utf8',
    },
  )
  return stdout + stderr
}

const writeProgram = () => {
  put('a/main.ts', "import { word } from '../b/other.ts'\nconsole.log(word)\n")
  put('b/other.ts', "export const word: string = 'one'\n")
}

test('a program is compiled once, and anew after a change of any of its files', async () => {
  writeProgram()
  expect(await output()).toBe('one\n')
  const files = await compile()
  expect(await compile()).toEqual(files)
  put('b/other.ts', "export const word: string = 'two'\n") // of the same size
  expect(await output()).toBe('two\n')
})

test('a file that is loaded later is read from the build that the program began with', async () => {
  put('a/main.ts', "const { word } = await import('../b/other.ts')\nconsole.log(word)\n")
  put('b/other.ts', "export const word: string = 'one'\n")
  const before = await compile()
  put('b/other.ts', "export const word: string = 'two'\n")
  expect(await output()).toBe('two\n')
  const { stdout } = spawnSync(process.execPath, [fileURLToPath(before?.[0] ?? '')], { encoding: 'utf8' })
  expect(stdout).toBe('one\n')
})

test('import.meta.url is the TypeScript file', async () => {
  put('a/main.ts', "console.log(new URL('x.json', import.meta.url).pathname)\n")
  put('b/other.ts', '')
  expect(await output()).toBe(`${root}a/x.json\n`)
})

test('a stack names the TypeScript file and the line', async () => {
  put('a/main.ts', "import { fail } from '../b/other.ts'\nfail()\n")
  put(
    'b/other.ts',
    "interface Unused {\n  a: string\n}\nexport function fail() {\n  throw new Error('no')\n}\n",
  )
  expect(await output()).toContain(`${root}b/other.ts:5:9`)
})

test('a build of another folder is not used', async () => {
  writeProgram()
  put('a/main.ts', 'console.log(import.meta.url)\n')
  await output()
  const moved = `${root.slice(0, -1)}-moved/`
  renameSync(root, moved)
  root = moved
  expect(await output()).toBe(`file://${moved}a/main.ts\n`)
})

test('a build that was removed in part is made again', async () => {
  writeProgram()
  const files = await compile()
  rmSync(join(fileURLToPath(files?.[0] ?? ''), '..'), { recursive: true })
  expect(await output()).toBe('one\n')
})

test('nothing is compiled where a file has an error or no folder can be made', async () => {
  writeProgram()
  put('a/main.ts', 'const =\n')
  expect(await compile()).toBeUndefined()
  writeProgram()
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  put('dist', 'a file')
  expect(await compile()).toBeUndefined()
})

test('a build stays for a day after the next one, however old it is, and older ones are removed', async () => {
  writeProgram()
  const [main = ''] = (await compile()) ?? []
  const last = join(fileURLToPath(main), '../..')
  const older = join(root, 'dist/compiled/a-main-ts-older')
  mkdirSync(older)
  const twoDaysAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000)
  for (const folder of [last, older]) utimesSync(folder, twoDaysAgo, twoDaysAgo)
  put('b/other.ts', "export const word: string = 'two'\n")
  expect(await output()).toBe('two\n')
  expect([existsSync(last), existsSync(older)]).toEqual([true, false])
})

test('a build is used although an older one cannot be looked at', async () => {
  writeProgram()
  mkdirSync(join(root, 'dist/compiled'), { recursive: true })
  symlinkSync('/nowhere', join(root, 'dist/compiled/a-main-ts-gone'))
  expect(await output()).toBe('one\n')
})
