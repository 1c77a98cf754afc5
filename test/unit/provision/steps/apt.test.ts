import { expect, test } from 'vitest'
import { install, pinFile, sourceFile, withAptFiles } from '../../../../provision/steps/apt.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

const files = [
  { path: sourceFile('sid'), content: 'deb http://mirror.example sid main\n' },
  { path: pinFile('sid'), content: 'Package: *\n' },
]

test('packages are installed without a question about a configuration file that is there', async () => {
  const host = fakeHost({ 'apt-get': 'echo $DEBIAN_FRONTEND' })
  expect((await install(contextOn(host.target), ['docker.io'])).stdout).toBe('noninteractive\n')
  expect(host.calls()).toEqual([
    'apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold docker.io',
  ])
})

test('a source that the work succeeds with stays', async () => {
  const host = fakeHost({ 'apt-get': '' })
  await withAptFiles(contextOn(host.target), files, async () => undefined)
  expect(host.calls()).toEqual(['apt-get update -q'])
  expect(host.text('/etc/apt/sources.list.d/multihost-sid.list')).toContain('mirror.example')
})

test.each([
  ['whose index cannot be fetched', 'exit 100', async () => undefined],
  ['that the work fails with', '', () => Promise.reject(new Error('no package'))],
])('a source %s goes again, and the person’s stay', async (_, update, work) => {
  const host = fakeHost({ 'apt-get': update })
  host.put('/etc/apt/sources.list.d/sid.list', 'of a person')
  await expect(withAptFiles(contextOn(host.target), files, work)).rejects.toThrow()
  for (const { path } of files) expect(host.text(path)).toBeUndefined()
  expect(host.text('/etc/apt/sources.list.d/sid.list')).toBe('of a person')
})
