/**
 * No `finally` in a scenario: when it throws, JavaScript drops the error of its `try`, and the report names
 * the wrong cause. `await using` with scenarios/kit/at-end.ts tells both errors.
 */
import { parseSync, Visitor } from 'oxc-parser'
import type { SourceFile } from './imports.ts'

export type Finally = { path: string; line: number }

export const isScenario = (path: string): boolean => path.endsWith('.scenario.ts')

/** `try … finally`, and the method of a promise. */
export function finallyIn({ path, text }: SourceFile): Finally[] {
  const found: Finally[] = []
  const at = (offset: number): void => {
    found.push({ path, line: text.slice(0, offset).split('\n').length })
  }
  new Visitor({
    TryStatement: ({ finalizer }) => finalizer && at(finalizer.start),
    MemberExpression: ({ property }) =>
      property.type === 'Identifier' && property.name === 'finally' && at(property.start),
  }).visit(parseSync(path, text).program)
  return found
}
