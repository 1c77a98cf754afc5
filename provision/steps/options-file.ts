/**
 * /etc/default/docker with the options of engine and driver in a marked block. What a person wrote stays:
 * other lines as they are, and a DOCKER_OPTS of the person's is continued in the block, since the last
 * assignment counts.
 */
import { z } from 'zod'
import { daemonJson, parseDaemonJson } from '../../driver/membership/daemon-json.ts'
import {
  optionsBlock as block,
  optionsFile,
  terminated,
  wordsIn,
} from '../../driver/membership/options-file.ts'
import { LabError } from '../process/errors.ts'
import { render } from './template.ts'

export interface Options {
  dockerOpts: string
  multihostOpts: string
}

/**
 * Options end up inside double quotes in a file that shells and systemd read: nothing may end the quotes or
 * expand.
 */
const optionSchema = z
  .string()
  .regex(/^[^"\\$`\n]*$/, 'must not contain a double quote, backslash, dollar, backtick or newline')
const valuesSchema = z.strictObject({ dockerOpts: optionSchema, multihostOpts: optionSchema })

/** Earlier versions wrote the whole file, without marks. */
const unmarked = /^# Written by multihost's provisioning; .*\nDOCKER_OPTS=.*\nMULTIHOST_OPTS=.*\n?/m
const assignment = /^\s*(?:DOCKER|MULTIHOST)_OPTS[ \t]*=/m

/**
 * `isRead`: the engine reads a person's DOCKER_OPTS there. Throws with the name and the value that cannot
 * stand in the file.
 */
export function mergeOptionsFile(text: string, own: Options, isRead = true): string {
  const values = mergedOptions(text, own, isRead)
  const parsed = valuesSchema.safeParse(values)
  if (!parsed.success) throw new LabError(`${optionsFile}: ${z.prettifyError(parsed.error)}`)
  const ours = render(new URL('./templates/docker.hbs', import.meta.url), parsed.data)
  const [before, after] = aroundBlock(text)
  if (after === undefined) return `${terminated(before)}${ours}`
  // The last assignment counts.
  return assignment.test(after) ? `${before}${terminated(after)}${ours}` : `${before}${ours}${after}`
}

/**
 * The options that stand in the block: ours, and a person's DOCKER_OPTS behind them. Those that no engine
 * reads stay without effect: docker-ce's unit has never read them, and they may open a port.
 */
export function mergedOptions(
  text: string,
  { dockerOpts, multihostOpts }: Options,
  isRead: boolean,
): Options {
  const others = aroundBlock(text).join('')
  const theirs = isRead ? (wordsIn(others, 'DOCKER_OPTS')?.join(' ') ?? '') : ''
  return { dockerOpts: [dockerOpts, theirs].filter((it) => it !== '').join(' '), multihostOpts }
}

/**
 * The flags without those that daemon.json sets as well: dockerd does not start with an option in both
 * places. Address pools are the person's choice. Throws when daemon.json does not say what another flag
 * would.
 */
export function withoutDuplicates(flags: readonly string[], json: string, host: string): string {
  const config = parsed(json, host)
  const kept = flags.filter((flag) => {
    const [, name = '', value = ''] = /^--([a-z-]+)=(.*)$/.exec(flag) ?? []
    if (name === 'default-address-pool') return !('default-address-pools' in config)
    if (!(name in config)) return true
    if ([config[name]].flat().includes(value)) return false
    throw new LabError(
      `${host}: ${daemonJson} sets "${name}", and multihost needs ${flag}: dockerd does not start with both; nothing was changed`,
      {
        hint: `write "${name}": ["${value}"] there, or remove "${name}"; ${reasons[name] ?? 'then try again'}`,
      },
    )
  })
  return kept.join(' ')
}

const reasons: Record<string, string> = {
  dns: 'the driver asks the resolvers of /etc/resolv.conf for all names that are not the cluster’s',
}

function parsed(json: string, host: string): Record<string, unknown> {
  try {
    const value = parseDaemonJson(json)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw new LabError(
    `${host}: ${daemonJson} is not a JSON object: dockerd does not start with it; nothing was changed`,
    {
      hint: 'correct the file',
    },
  )
}

function aroundBlock(text: string): [before: string, after?: string] {
  const found = block.exec(text) ?? unmarked.exec(text)
  if (found === null) return [text]
  return [text.slice(0, found.index), text.slice(found.index + found[0].length)]
}
