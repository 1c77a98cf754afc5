/**
 * The licences of what the package contains and others have written: the npm packages in the bundle, and
 * Node.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../process/errors.ts'
import { render } from '../steps/template.ts'
import { nodeVersion } from './node.ts'
import type { Release } from './release.ts'

export interface ThirdParty {
  name: string
  version: string
  /** SPDX's name of the licence. */
  licence: string
  text: string
}

/** `folder` is the package's, with its package.json and its licence. */
export function thirdPartyOf(folder: string): ThirdParty {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    string
  >
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying)/i.test(file))
  if (name === undefined || version === undefined || license === undefined || files.length === 0)
    throw new LabError(`${folder}: the package does not name its licence, so it cannot be shipped`)
  const text = files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
  return { name, version, licence: license, text }
}

export function nodeItself(text: string): ThirdParty {
  return { name: 'Node.js', version: nodeVersion, licence: 'MIT', text: text.trim() }
}

/** THIRD-PARTY-LICENSES: the list, then every text. Pure. */
export function thirdPartyText(parts: readonly ThirdParty[]): string {
  const title = ({ name, version, licence }: ThirdParty): string => `${name} ${version} (${licence})`
  const texts = parts.map((part) => `${'='.repeat(79)}\n${title(part)}\n\n${part.text}\n`)
  return `multihost contains these works, each under its own licence:\n\n${parts.map((part) => `  ${title(part)}\n`).join('')}\n${texts.join('\n')}`
}

const inCopyright = ['Apache-2.0', 'MIT']

/** The file `copyright`. Pure. Source: the machine-readable format 1.0 of Debian's policy. */
export function copyrightText(bundled: readonly ThirdParty[], { epochS }: Release): string {
  const unknown = bundled.find(({ licence }) => !inCopyright.includes(licence))
  if (unknown !== undefined) {
    throw new LabError(
      `${unknown.name} has the licence ${unknown.licence}, which the package does not state`,
      {
        hint: 'may it be shipped? then add a paragraph to provision/package/templates/copyright.hbs',
      },
    )
  }
  return render(new URL('./templates/copyright.hbs', import.meta.url), {
    nodeVersion,
    year: new Date(epochS * 1000).getUTCFullYear(),
    bundled: copyrightLines(bundled)
      .map((line) => ` ${line}`)
      .join('\n'),
    packages: bundled.map(({ name, version }) => `${name} ${version}`).join(',\n '),
  })
}

/** Lines with which the texts name their authors, without repetitions. */
function copyrightLines(parts: readonly ThirdParty[]): string[] {
  const lines = parts.flatMap(({ text }) => text.match(/^\W*Copyright (?:\(c\)|©|\d{4}).*$/gim) ?? [])
  return [...new Set(lines.map((line) => line.replace(/^\W*Copyright (?:\(c\)|©)?\s*/i, '').trim()))]
}
