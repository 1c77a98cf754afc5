import { expect, test } from 'vitest'
import { copyrightText, thirdPartyText } from '../../../../provision/package/licences.ts'

const release = { version: '1.2.3', maintainer: 'A <a@b.invalid>', epochS: 0 }
const part = (name: string, licence: string, text: string) => ({ name, version: '1.0.0', licence, text })
const parts = [
  part('one', 'MIT', 'MIT License\n\nCopyright (c) 2020 Ann\n\nPermission …'),
  part('two', 'Apache-2.0', 'Apache License\n   Copyright [yyyy] [name of copyright owner]'),
]

test('THIRD-PARTY-LICENSES lists every work, then has its text', () => {
  const text = thirdPartyText(parts)
  expect(text).toMatch(/^ {2}one 1\.0\.0 \(MIT\)\n {2}two 1\.0\.0 \(Apache-2\.0\)$/m)
  expect(text).toContain('one 1.0.0 (MIT)\n\nMIT License\n\nCopyright (c) 2020 Ann')
})

test('the file copyright has the authors of the bundled works', () => {
  const text = copyrightText(parts, release)
  expect(text).toContain('Copyright: 1970 the multihost authors\n 2020 Ann\nLicense: Apache-2.0 and Expat\n')
  expect(text).toContain(' one 1.0.0,\n two 1.0.0.\n')
})

test('a licence that the file copyright does not state stops the build', () => {
  expect(() => copyrightText([part('three', 'GPL-3.0', '')], release)).toThrow(
    'three has the licence GPL-3.0, which the package does not state',
  )
})
