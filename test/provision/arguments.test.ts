import { expect, test } from 'vitest'
import { chooseLab, labOptions, parse } from '../../provision/arguments.ts'
import { hostNamed } from '../../provision/hosts.ts'

test('an unknown flag names the allowed ones', () => {
  expect(() => parse(['--engin', '26'], labOptions)).toThrow(
    'unknown flag "--engin": allowed are --lab, --backend, --engine',
  )
})

test('an unknown backend names the allowed ones', () => {
  expect(() => chooseLab({ backend: 'kubernetes' }, 'main')).toThrow(
    'unknown backend "kubernetes": allowed are nspawn',
  )
})

test('an unknown engine names the allowed ones', () => {
  expect(() => chooseLab({ engine: ['19'] }, 'main')).toThrow(
    'unknown engine "19": allowed are 20.10, 26, 28',
  )
  expect(() => chooseLab({ engine: ['net-1=27'] }, 'main')).toThrow(
    'unknown engine "27": allowed are 20.10, 26, 28',
  )
})

test('an unknown host names the allowed ones', () => {
  expect(() => hostNamed('net-9')).toThrow('unknown host "net-9": allowed are consul-server, net-1, net-2')
  expect(() => chooseLab({ engine: ['net-9=28'] }, 'main')).toThrow('unknown host "net-9"')
})

test('a lab name that could not name a namespace or a folder is refused', () => {
  for (const lab of ['', 'A', '../x', 'a b', 'a'.repeat(17), '9a', 'net-1']) {
    expect(() => chooseLab({ lab }, 'main')).toThrow(`"${lab}" cannot name a lab`)
  }
})
