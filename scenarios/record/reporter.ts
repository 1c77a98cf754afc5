/**
 * vitest's word on every scenario, told as the report's events: also of those that were skipped, and of files that
 * could not be loaded or set up, of which no scenario could tell.
 */
import { relative } from 'node:path'
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node'
import { type ScenarioEvent, tell } from './events.ts'
import { root } from './folder.ts'

export default class EventReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const result = test.result()
    if (result.state === 'pending') return
    // vitest's own reporter counts those that were skipped, and says no more of them.
    const skipped = result.state === 'skipped' ? result.note : undefined
    if (skipped !== undefined) console.log(`skipped: ${test.name}: ${skipped}`)
    const { startTime, duration } = test.diagnostic() ?? { startTime: Date.now(), duration: 0 }
    const file = test.module.moduleId
    tell({
      kind: 'scenario',
      scenario: test.name,
      file: relative(root, file),
      state: result.state,
      at: startTime,
      ms: duration,
      ...failure(result.errors, file),
      ...(skipped === undefined ? {} : { message: skipped }),
    })
  }

  onTestModuleEnd(module: TestModule): void {
    tellOfSetUp(module, module.moduleId)
  }

  onTestSuiteResult(suite: TestSuite): void {
    tellOfSetUp(suite, suite.module.moduleId)
  }
}

type Errors = ReadonlyArray<{ message: string; stacks?: { file: string; line: number }[] | undefined }>

/** A file that could not be loaded, or whose set-up or clearing up failed. */
function tellOfSetUp(of: TestModule | TestSuite, file: string): void {
  const errors = of.errors() as Errors
  if (errors.length === 0) return
  const scenario = of.type === 'module' ? 'the file as a whole' : of.name
  const state = 'failed'
  tell({
    kind: 'scenario',
    scenario,
    file: relative(root, file),
    state,
    at: Date.now(),
    ms: 0,
    ...failure(errors, file),
  })
}

function failure(errors: Errors | undefined, file: string): Pick<ScenarioEvent, 'message' | 'line'> {
  if (errors === undefined || errors.length === 0) return {}
  const frame = errors.flatMap(({ stacks = [] }) => stacks).find((each) => each.file === file)
  const message = errors.map((error) => error.message).join('\n\n')
  return { message, ...(frame ? { line: frame.line } : {}) }
}
