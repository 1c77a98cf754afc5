import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { patience } from './provision/patience.ts'

/** Scenario files in the order of their numbers, as the page has them; vitest's own order is by past duration. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => a.moduleId.localeCompare(b.moduleId))
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: ByName },
    projects: [
      {
        test: {
          name: 'test',
          include: ['test/**/*.test.ts'],
          testTimeout: 20_000 * patience,
          hookTimeout: 30_000 * patience,
        },
      },
      {
        test: {
          name: 'scenarios',
          include: ['scenarios/**/*.scenario.ts'],
          testTimeout: 120_000 * patience,
          hookTimeout: 120_000 * patience,
          fileParallelism: false,
          isolate: false, // one worker, so that the hosts' connections and the page's values last for the whole run
        },
      },
    ],
  },
})
