/**
 * /etc/default/docker, where the unit reads the driver's options: `MULTIHOST_OPTS="…"` in a marked block.
 * Pure.
 *
 * Provisioning writes the same block, with DOCKER_OPTS in it. All other lines of the file stay as they are.
 * Docker asks the driver for names where dockerd has `--dns=` with the driver's own address, so that word of
 * the block comes and goes with the driver.
 */
import { DriverError } from '../core/errors.ts'
import { packageOptionsFile } from '../daemon/options.ts'

export const optionsFile = '/etc/default/docker'
/**
 * The address that provisioning gives each host's driver, from the block that no host chooses by itself (RFC
 * 3927 §2.1). Other addresses of the block can be a cloud's.
 */
export const usualDns = '169.254.255.53'

export const optionsBlock = /^# multihost: begin.*\n(?:.*\n)*?# multihost: end\n?/m

const begin = "# multihost: begin: written by 'multihost join', read by multihost.service"
const end = '# multihost: end'

type Variable = 'DOCKER_OPTS' | 'MULTIHOST_OPTS'

/** Words of the last assignment: systemd takes that one. Undefined for a text without an assignment. */
export function wordsIn(text: string, variable: Variable): string[] | undefined {
  const found = [...text.matchAll(assignment(variable))].at(-1)
  if (found === undefined) return undefined
  const [, doubly, singly, bare = ''] = found
  if (/^["']/.test(bare)) {
    const isOpen = !bare.slice(1).includes(bare.charAt(0))
    const says = isOpen
      ? 'a quote without its end'
      : 'text behind its quotes, which systemd takes as a part of it'
    throw new DriverError('invalid', `${variable} has ${says}: ${bare.trim()}`, {
      hint: `correct it in ${optionsFile} or ${packageOptionsFile}`,
    })
  }
  return (doubly ?? singly ?? bare)
    .replaceAll(/\\\r?\n/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')
}

/** The text with these options of the driver. `dns`: the driver's own address, where DOCKER_OPTS may name it. */
export function withDriver(text: string, words: readonly string[], dns?: string): string {
  const line = `MULTIHOST_OPTS="${words.map(checkWord).join(' ')}"`
  const others = text.replaceAll(assignment('MULTIHOST_OPTS'), '')
  const block = optionsBlock.exec(others)?.[0]
  if (block === undefined) return `${terminated(others)}${begin}\n${line}\n${end}\n`
  const longer = inDockerOpts(block, (all) =>
    dns === undefined || all.includes(`--dns=${dns}`) ? all : [`--dns=${dns}`, ...all],
  )
  // By a function: a replacement text has signs of its own.
  return others.replace(block, () => longer.replace(end, () => `${line}\n${end}`))
}

/** The text without the driver's options, and without its address for DNS. */
export function withoutDriver(text: string, dns?: string): string {
  const others = text.replaceAll(assignment('MULTIHOST_OPTS'), '')
  const block = optionsBlock.exec(others)?.[0]
  if (block === undefined) return others
  const shorter = inDockerOpts(block, (all) => all.filter((word) => word !== `--dns=${dns}`))
  return others.replace(block, () => (/^\s*\w+=/m.test(shorter) ? shorter : ''))
}

/** As systemd reads it: blanks around the sign and the end of a line of Windows do not count. */
function assignment(variable: Variable): RegExp {
  const value = `"([^"]*)"|'([^']*)'|((?:.*\\\\\\r?\\n)*.*)`
  return new RegExp(`^[ \\t]*${variable}[ \\t]*=[ \\t]*(?:${value})[ \\t\\r]*(?:\\n|$)`, 'gm')
}

function inDockerOpts(block: string, change: (words: string[]) => string[]): string {
  return block.replace(/^DOCKER_OPTS="(.*)"$/m, (_, value: string) => {
    const words = value.split(' ').filter((word) => word !== '')
    return `DOCKER_OPTS="${change(words).join(' ')}"`
  })
}

/** systemd splits the value at blanks and reads quotes, backslashes and dollars in it. */
function checkWord(word: string): string {
  if (/^[^\s"'\\$`]+$/.test(word)) return word
  throw new DriverError('invalid', `the option ${word} cannot be written into ${optionsFile}`, {
    hint: 'give options without blanks, quotes, backslashes, dollars and backticks',
  })
}

export function terminated(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}
