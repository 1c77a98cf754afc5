import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { parseDaemonOptions } from '../../../../driver/daemon/options.ts'
import { defaultLab, generateLab, hostNamed } from '../../../../provision/lab/definition.ts'
import { driverOptions } from '../../../../provision/steps/engine-options.ts'
import { render } from '../../../../provision/steps/template.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)

function template(text: string): URL {
  const file = join(folder, 'some.hbs')
  writeFileSync(file, text)
  return pathToFileURL(file)
}

test('values stand in the file as they are, not escaped for HTML', () => {
  expect(render(template('a={{a}}'), { a: `<"&'>` })).toBe(`a=<"&'>`)
})

test('a missing value is an error with its name and the name of the template', () => {
  expect(() => render(template('a={{here}} b={{gone}}'), { here: 1 })).toThrow(
    'template some.hbs needs the value "gone"',
  )
})

test.each([
  [1, undefined],
  [2, '--answer-within=25'],
  [10, '--answer-within=25'],
])('the driver of a host that may be %d times slower may answer Docker later', (timeoutScale, option) => {
  const lab = defaultLab()
  const options = driverOptions({ lab, host: hostNamed(lab, 'net-1'), secured: false, timeoutScale })
  expect(options.find((it) => it.startsWith('--answer-within'))).toBe(option)
  expect(parseDaemonOptions(options).kvStore).toBe('consul://192.168.33.10:8500')
})

test.each([
  [false, 'consul://192.168.33.7:8500,192.168.33.6:8500,192.168.33.8:8500'],
  [true, 'https://192.168.33.7:8501,192.168.33.6:8501,192.168.33.8:8501'],
])('a driver knows all Consul servers, each host another one first (secured: %s)', (secured, store) => {
  const lab = generateLab(2, 3)
  const options = driverOptions({ lab, host: hostNamed(lab, 'net-2'), secured, timeoutScale: 1 })
  expect(options[0]).toBe(`--kv-store=${store}`)
})
