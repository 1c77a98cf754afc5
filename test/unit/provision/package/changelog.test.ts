import { expect, test } from 'vitest'
import { debianChangelog } from '../../../../provision/package/changelog.ts'

const release = { version: '0.2.0', maintainer: 'A <a@b.invalid>', epochS: 1_795_872_569 }
const older = '## 0.1.0 - 2026-10-01\n\n### Fixed\n- One.\n'

test('before its release a version has the text of Unreleased', () => {
  const text = `# Changelog\n\n## Unreleased\n\n### Added\n- A line that is long enough to be wrapped, since Debian's tools want\n  short lines.\n- Two.\n\n${older}`
  expect(debianChangelog(text, release)).toMatchInlineSnapshot(`
    "multihost (0.2.0) unstable; urgency=medium

      * A line that is long enough to be wrapped, since Debian's tools want short
        lines.
      * Two.

     -- A <a@b.invalid>  Sat, 28 Nov 2026 13:29:29 +0000

    multihost (0.1.0) unstable; urgency=medium

      * One.

     -- A <a@b.invalid>  Thu, 01 Oct 2026 00:00:00 +0000
    "
  `)
})

test('after its release it has its own text, and Unreleased is left out', () => {
  const text = `## Unreleased\n- Later.\n\n## 0.2.0 - 2026-11-28\n- Now.\n\n${older}`
  const entries = debianChangelog(text, release)
  expect(entries).not.toContain('Later')
  expect(entries.match(/^multihost .*/gm)).toEqual([
    'multihost (0.2.0) unstable; urgency=medium',
    'multihost (0.1.0) unstable; urgency=medium',
  ])
})
