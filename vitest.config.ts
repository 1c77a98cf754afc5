import { availableParallelism } from 'node:os'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { timeoutScale } from './provision/process/timeout-scale.ts'
import { root, scenarioRoot } from './scenarios/record/folder.ts'
import { walkthroughFirst } from './scenarios/selection.ts'

/**
 * Unit tests in vitest's own order: the longest file of the last run first, without a last run the largest.
 * All other files by name; scenarios in the order of a run.
 */
class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const path = ({ moduleId }: TestSpecification): string => moduleId.replace(root, '')
    const isUnit = ({ project }: TestSpecification): boolean => project.name === 'unit'
    const others = files.filter((file) => !isUnit(file))
    return [
      ...(await super.sort(files.filter(isUnit))),
      ...others.sort((a, b) => walkthroughFirst(path(a), path(b))),
    ]
  }
}

/** Vitest leaves one out, for the terminal. Unit tests wait for timers most of their time, so three share a core. */
const cores = availableParallelism()

/** One kind after the other: a test of the kernel or of Consul does not share the processor with a lab that boots. */
const tests = (name: string, groupOrder: number, more: object = {}): TestProjectConfiguration => ({
  test: {
    name,
    sequence: { groupOrder },
    include: [`test/${name}/**/*.test.ts`],
    // A test that starts a program of ours has it compiled first: that took 17 s on two slow cores.
    testTimeout: 60_000 * timeoutScale,
    hookTimeout: 60_000 * timeoutScale,
    // A wait ends when its condition holds. A busy machine needs longer than the second that vitest gives it.
    expect: { poll: { timeout: 10_000 * timeoutScale } },
    ...more,
  },
})

export default defineConfig({
  test: {
    sequence: { sequencer: InOrder },
    // What was received is in the failure's first line, so that the report and a gate's log have it.
    chaiConfig: { truncateThreshold: 500 },
    projects: [
      // One process for many files: a process per file spends more time with imports than with tests. No unit
      // test changes a module; processes and not threads, since the driver sets its umask.
      tests('unit', 0, { isolate: false, maxWorkers: 3 * cores }),
      tests('contract', 1, { maxWorkers: cores }),
      tests('lab', 2, {
        fileParallelism: false,
        globalSetup: 'test/lab/shared-lab.ts',
        testTimeout: 300_000 * timeoutScale,
        hookTimeout: 300_000 * timeoutScale,
      }),
      {
        test: {
          name: 'scenarios',
          sequence: { groupOrder: 3 },
          root: scenarioRoot(),
          include: scenarioRoot() === root ? ['scenarios/**/*.scenario.ts'] : ['**/*.scenario.ts'],
          server: { deps: { inline: [/\/multihost\//] } },
          // Waits have deadlines of their own. A body that is cut off would run on beside the next scenario.
          testTimeout: 300_000 * timeoutScale,
          hookTimeout: 300_000 * timeoutScale,
          expect: { poll: { timeout: 10_000 * timeoutScale } },
          fileParallelism: false,
          isolate: false, // one worker, so that the hosts' connections and the page's values last for the whole run
        },
      },
    ],
  },
})
