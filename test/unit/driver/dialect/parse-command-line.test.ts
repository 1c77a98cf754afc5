import { describe, expect, test } from 'vitest'
import { globalFlags, listFlags, runFlags } from '../../../../driver/dialect/docker-options.ts'
import {
  parseCommand,
  parseMixed,
  parseOptions,
  shellWords,
  without,
} from '../../../../driver/dialect/parse-command-line.ts'

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '')
const show = (line: string): string => {
  const { options, end, unknown } = parseOptions(words(line), runFlags)
  const given = options.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`))
  return `${given.join(' ')} | ${unknown ? 'unknown' : words(line).slice(end).join(' ')}`
}

describe('options', () => {
  test.each([
    ['-it --rm debian:13 bash -c x', 'i t rm | debian:13 bash -c x'],
    ['--net foobar debian:13', 'net=foobar | debian:13'],
    ['--net=foobar debian:13', 'net=foobar | debian:13'],
    ['-e A=b -eC=d -e=E debian:13', 'e=A=b e=C=d e=E | debian:13'],
    ['-ite A=b debian:13', 'i t e=A=b | debian:13'],
    ['-d=false debian:13', 'd=false | debian:13'],
    ['--rm -- --net x', 'rm | --net x'],
    ['-e --net debian:13', 'e=--net | debian:13'],
    ['--frob debian:13', ' | unknown'],
    ['-Z debian:13', ' | unknown'],
    ['--help debian:13', ' | unknown'],
  ])('of %s', (line, shown) => expect(show(line)).toBe(shown))

  test('stand before and after other words where docker allows it', () => {
    const { options, operands } = parseMixed(words('a -q b --filter x=y -- --format c'), listFlags)
    expect(options.map(({ name, value }) => [name, value])).toEqual([
      ['q', undefined],
      ['filter', 'x=y'],
    ])
    expect(operands.map(({ word }) => word)).toEqual(['a', 'b', '--format', 'c'])
  })

  test('can be taken out, with their value', () => {
    const line = words('--rm --publish-service bar.foobar -it debian:13')
    const [, published] = parseOptions(line, runFlags).options
    expect(published && without(line, published).join(' ')).toBe('--rm -it debian:13')
  })
})

describe('a command', () => {
  test.each([
    ['run -it debian:13', ['', 'run', '-it debian:13']],
    ['-D --host tcp://x container run debian:13', ['-D --host tcp://x', 'container run', 'debian:13']],
    ['network ls -q', ['', 'network ls', '-q']],
    ['service', ['', 'service', '']],
    ['', ['', '', '']],
  ])('%s', (line, [globals, name, rest]) => {
    const command = parseCommand(words(line), globalFlags)
    expect([command?.globals.join(' '), command?.name, command?.rest.join(' ')]).toEqual([
      globals,
      name,
      rest,
    ])
  })

  test('with an option that only docker knows is docker’s', () => {
    expect(parseCommand(['--version'], globalFlags)).toBeUndefined()
  })
})

test('words for a shell stay single words', () => {
  expect(shellWords(['a', "it's", '$HOME *', ''])).toBe(`'a' 'it'\\''s' '$HOME *' ''`)
})
