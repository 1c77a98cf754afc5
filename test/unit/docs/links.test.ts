import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const top = new URL('../../../', import.meta.url).pathname
const inDocs = readdirSync(`${top}docs`, { recursive: true, encoding: 'utf8' })
const files = [...readdirSync(top), ...inDocs.map((file) => `docs/${file}`)]
const pages = files.filter((file) => file.endsWith('.md'))
const read = (page: string): string => readFileSync(join(top, page), 'utf8')

/** The anchors that GitHub gives a page's headings. Fences are left out: a shell's `# comment` is not a heading. */
function anchorsOf(page: string): string[] {
  const text = read(page).replace(/^```[\s\S]*?^```/gm, '')
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    return heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
  })
}

/** What is wrong with a link, or an empty list. */
function broken(page: string, target: string): string[] {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(top, file))) return [`${target}: there is no ${file}`]
  if (anchor === undefined || anchorsOf(file).includes(anchor)) return []
  return [`${target}: ${file} has no heading #${anchor}`]
}

test.each(pages)('%s: each link leads to a file that exists and to a heading of it', (page) => {
  const targets = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  const local = targets.filter((target) => !/^\w+:/.test(target))
  expect(local.flatMap((target) => broken(page, target))).toEqual([])
})

test.each(pages)('%s: each path of this repository that it names exists', (page) => {
  const paths = read(page).match(/(?<![\w./-])(driver|provision|scenarios|test|docs)\/[\w./-]*\w/g) ?? []
  expect(paths.filter((path) => !existsSync(join(top, path)))).toEqual([])
})
