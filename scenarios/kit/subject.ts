/**
 * The subject: what the scenarios test. Our own driver, Swarm's overlay and a plugin are values of this type,
 * in scenarios/subjects; a folder of scenarios can have one of its own, which need not be a network driver
 * (docs/scenarios.md). The differences between subjects stand in these values and nowhere else: a scenario
 * that a subject cannot pass for a known reason is skipped with that reason.
 */
import type { Role } from '../../provision/lab/definition.ts'
import type { Step } from '../../provision/steps/step.ts'
import { subjectNameVariable } from '../record/events.ts'
import type { ConnectedHost } from './connected.ts'

/** What a scenario may need of a subject, beyond a network. */
const features = ['live-restore', 'own process', 'Consul', 'VXLAN'] as const
export type Feature = (typeof features)[number]
export const isFeature = (word: string): word is Feature => features.some((each) => each === word)

export interface Subject extends SubjectFacts {
  /** Its files and programs on each host of its role. They run once the lab is up, on all hosts at once. */
  steps: readonly Step[]
  /** Hands the hosts over to it, just before its scenarios. Resolves with facts that only its hosts know. */
  enter?(machines: Machines): Promise<Partial<SubjectFacts>>
  /** Gives the hosts of a lab that stays back as `steps` and `enter` found them, also when neither has run. */
  leave?(machines: Machines): Promise<void>
}

export type Machines = readonly [ConnectedHost, ...ConnectedHost[]]

/** The part that the scenarios know. Commands are lines for `sh`, and run on each host of the subject's role. */
export interface SubjectFacts {
  name: string
  /** Role of the hosts that it runs on. */
  role: Role
  /** A scenario that fails on it fails the run. False for a subject that is there to compare. */
  mustPass: boolean
  /** Words of `docker network create` that choose the driver. */
  create: readonly string[]
  /**
   * Kind of our own networks, `bridge` or `macvlan`, for scenarios that look into the kernel; absent: the
   * default.
   */
  datapath?: string
  /**
   * How a network comes to the other hosts: by itself, with its first container there, or perhaps not at all.
   * A network that does not come by itself is created there too, so that the other scenarios say something
   * about the driver.
   */
  spreads: 'by itself' | 'with a container' | 'perhaps'
  /** systemd unit of its process. */
  unit: string
  /** Succeeds when the subject answers: a host that was off is up again. */
  answers: string
  /** Succeeds when the subject has nothing left to do on the host. */
  settled: string
  /** Prints a line per difference between what the host must have and what it has. Runs after every scenario. */
  check?: string
  /** Title → command line, asked after a scenario failed. */
  evidence: Readonly<Record<string, string>>
  /** Docker's name of the driver whose networks are in the snapshots; without one, no snapshot is taken. */
  inSnapshot?: string
  /** Feature → why the subject lacks it. */
  lacks: Partial<Record<Feature, string>>
}

type Own = Pick<Subject, 'name' | 'role' | 'steps' | 'unit' | 'answers'> & Partial<Subject>

/** A program that is no network driver, as a subject. */
export const program = (own: Own): Subject => ({
  mustPass: true,
  create: [],
  spreads: 'perhaps',
  settled: own.answers,
  evidence: {},
  lacks: {},
  ...own,
})

/** Environment variable with the subject's facts as JSON. */
export const subjectVariable = 'MULTIHOST_SUBJECT'

/** The environment in which vitest runs scenarios on the subject. */
export const environmentFor = (subject: SubjectFacts): Record<string, string> => ({
  [subjectVariable]: JSON.stringify(subject),
  [subjectNameVariable]: subject.name,
})
