/**
 * The driver that the scenarios are run on: ours, Swarm's overlay, or somebody's own plugin.
 *
 * It is data, so that the parent can hand it to vitest in the environment. What differs between drivers stands
 * here and nowhere else; a scenario that a driver cannot pass for a known reason is skipped with that reason.
 */

import { type DatapathKind, datapathKinds } from '../../driver/core/records.ts'
import { unknown } from '../../provision/process/errors.ts'

/** What a scenario may need of a driver beyond a network. */
const features = ['live-restore'] as const
export type Feature = (typeof features)[number]
export const isFeature = (word: string): word is Feature => features.some((each) => each === word)

export interface Driver {
  name: string
  /** Words of `docker network create` that choose it. */
  create: readonly string[]
  /** How its containers hang on the VXLAN device, where scenarios look into the kernel: ours alone. */
  datapath?: DatapathKind
  /**
   * How a network comes to the other hosts: by itself, with its first container there, or perhaps not at all.
   * What does not come is made there too, so that the other scenarios say something about the driver.
   */
  spreads: 'by itself' | 'with a container' | 'perhaps'
  /** Feature → why it has none. */
  lacks: Partial<Record<Feature, string>>
}

export const vxlan: Driver = {
  name: 'vxlan',
  create: ['-d', 'vxlan', '--ipam-driver', 'vxlan'],
  spreads: 'by itself',
  lacks: {},
}

/** Ours, with all networks of that kind. */
export function vxlanWith(text: string): Driver {
  const datapath = datapathKinds.find((kind) => kind === text)
  if (datapath === undefined) throw unknown('datapath', text, [...datapathKinds])
  return { ...vxlan, create: [...vxlan.create, '-o', `datapath=${datapath}`], datapath }
}

export const swarm: Driver = {
  name: 'swarm',
  create: ['-d', 'overlay', '--attachable'],
  spreads: 'with a container',
  lacks: { 'live-restore': 'an engine in swarm mode refuses live-restore' },
}

const variable = 'MULTIHOST_DRIVER'

/** The environment in which scenarios run on that driver. */
export const environmentFor = (driver: Driver): Record<string, string> => ({
  [variable]: JSON.stringify(driver),
})

/** The driver of this process. */
export const driver: Driver = process.env[variable] ? JSON.parse(process.env[variable]) : vxlan
