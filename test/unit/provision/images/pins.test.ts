import { expect, test } from 'vitest'
import { debianSite, preferences } from '../../../../provision/images/pins.ts'

test("the mirror of a host is the one that its apt uses for Debian, not the security archive's or a vendor's", () => {
  const targets = [
    'HashiCorp|HashiCorp|https://vendor.example',
    'Debian|Debian-Security|http://security.example/debian-security',
    'Debian|Debian|http://mirror.example/debian',
  ].join('\n')
  expect(debianSite(targets)).toBe('http://mirror.example/debian')
})

test('an apt that names no Debian mirror', () => {
  expect(debianSite('')).toBeUndefined()
})

test('another release gives the named packages and nothing else', () => {
  expect(preferences({ release: 'sid', packages: ['docker.io', 'runc'] })).toMatchInlineSnapshot(`
    "Package: *
    Pin: release n=sid
    Pin-Priority: 1

    Package: docker.io runc
    Pin: release n=sid
    Pin-Priority: 990
    "
  `)
})
