import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { filesOf, root } from '../../checks/tree.ts'

const variable = /\b(MULTIHOST_[A-Z_]*[A-Z]|SOAK_[A-Z]+|CHAOS_[A-Z]+|ACCEPTANCE)\b/g
const code = ['driver', 'provision', 'scenarios', 'Vagrantfile', 'test/ci.ts']

test('docs/environment.md names every variable that the code reads, and no other', () => {
  const read = filesOf(code).flatMap(({ text }) => text.match(variable) ?? [])
  const named = readFileSync(`${root}docs/environment.md`, 'utf8').match(variable) ?? []
  expect([...new Set(named)].sort()).toEqual([...new Set(read)].sort())
})
