/**
 * What a source file imports: static imports, re-exports, and dynamic imports of a literal; types count like
 * values. oxc's parser, since TypeScript 7 has no JavaScript API that tools such as dependency-cruiser could
 * parse with.
 */
import { posix } from 'node:path'
import { parseSync } from 'oxc-parser'

export type SourceFile = { path: string; text: string }

/** One import: `to` is a path from the root of the tree, or a package's name. */
export type Import = { from: string; to: string; kind: 'file' | 'package' }

export function importsOf({ path, text }: SourceFile): Import[] {
  const { module } = parseSync(path, text)
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start, end))
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.map(({ moduleRequest }) => moduleRequest?.value),
    ),
    ...dynamic.map((source) => /^['"](.*)['"]$/.exec(source)?.[1]),
  ]
  return [...new Set(specifiers)]
    .filter((specifier) => specifier !== undefined)
    .map((specifier) =>
      specifier.startsWith('.')
        ? { from: path, to: posix.join(posix.dirname(path), specifier), kind: 'file' }
        : { from: path, to: packageOf(specifier), kind: 'package' },
    )
}

/** `immutable/dist` is `immutable`, `@scope/name/x` is `@scope/name`; `node:fs/promises` stays. */
function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
