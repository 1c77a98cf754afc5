/**
 * The subject: what the scenarios test. Our own driver, Swarm's overlay and a plugin are values of this type, in
 * scenarios/subjects. The differences between drivers stand in these values and nowhere else: a scenario that a driver
 * cannot pass for a known reason is skipped with that reason.
 */
import { subjectNameVariable } from '../record/events.ts'

/** Features that a scenario may need of a driver, beyond a network. */
const features = ['live-restore'] as const
export type Feature = (typeof features)[number]
export const isFeature = (word: string): word is Feature => features.some((each) => each === word)

export interface Subject {
  name: string
  /** Words of `docker network create` that choose the driver. */
  create: readonly string[]
  /** Whether `multihost` runs on the hosts and can be asked for its status and its check. */
  isOurs: boolean
  /** Kind of our own networks, `bridge` or `macvlan`, for scenarios that look into the kernel; absent: the default. */
  datapath?: string
  /**
   * How a network comes to the other hosts: by itself, with its first container there, or perhaps not at all. A network
   * that does not come by itself is created there too, so that the other scenarios say something about the driver.
   */
  spreads: 'by itself' | 'with a container' | 'perhaps'
  /** Feature → why the driver lacks it. */
  lacks: Partial<Record<Feature, string>>
}

/** Environment variable with the subject as JSON. */
export const subjectVariable = 'MULTIHOST_SUBJECT'

/** The environment in which vitest runs scenarios on the subject. */
export const environmentFor = (subject: Subject): Record<string, string> => ({
  [subjectVariable]: JSON.stringify(subject),
  [subjectNameVariable]: subject.name,
})
