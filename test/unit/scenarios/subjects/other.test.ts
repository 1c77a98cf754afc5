import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { otherSubject } from '../../../../scenarios/subjects/other.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
beforeAll(() => {
  for (const name of ['mine.sh', 'plain', 'overlay', 'My Driver'])
    writeFileSync(join(folder, name), '#!/bin/sh\n')
  for (const name of ['mine.sh', 'overlay', 'My Driver']) chmodSync(join(folder, name), 0o755)
})

const named = (word: string) => otherSubject(join(folder, word)).name

describe('the driver of --driver', () => {
  test('is named after its file, or by the name behind a colon', () => {
    expect(named('mine.sh')).toBe('mine')
    expect(named('mine.sh:other')).toBe('other')
    expect(named('overlay:fine')).toBe('fine')
  })

  test('fails the run when it fails a check, and Swarm does not', () => {
    expect(otherSubject(join(folder, 'mine.sh')).mustPass).toBe(true)
    expect(otherSubject('swarm')).toMatchObject({ name: 'swarm', mustPass: false })
  })

  test.each([
    ['frob', 'unknown driver "frob": allowed are swarm, PATH[:NAME] of a plugin'],
    ['vxlan', 'unknown driver "vxlan"'],
    ['./no/such/file', 'there is no file'],
    ['/tmp', '/tmp is not a file'],
  ])('%s is refused', (word, message) => {
    expect(() => otherSubject(word)).toThrow(message)
  })

  test.each([
    ['plain', 'plain is not executable'],
    ['overlay', 'the name overlay is taken'],
    ['mine.sh:vxlan', 'the name vxlan is taken'],
    ['My Driver', '"My Driver" cannot name a driver'],
    ['mine.sh:', '"" cannot name a driver'],
  ])('the file %s is refused, with a hint', (word, message) => {
    expect(() => named(word)).toThrow(message)
    expect(() => named(word)).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/chmod \+x|--driver .*:NAME/) }),
    )
  })
})
