/**
 * Records vitest's result of every scenario as an event. The reporter also sees what no scenario can record
 * itself: scenarios that were skipped, and files that could not be loaded or set up.
 */
import { relative } from 'node:path'
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node'
import { recordEvent, type ScenarioEvent } from './events.ts'
import { scenarioRoot } from './folder.ts'

export default class EventReporter implements Reporter {
  private hasPattern = false

  onInit({ config }: Vitest): void {
    this.hasPattern = config.testNamePattern !== undefined
    endWithRunner()
  }

  onTestCaseResult(test: TestCase): void {
    const result = test.result()
    if (result.state === 'pending') return
    // vitest's own reporter counts skipped tests without their reasons.
    const skipped = result.state === 'skipped' ? result.note : undefined
    // A scenario that `-t` leaves out is skipped without a reason.
    if (result.state === 'skipped' && skipped === undefined && this.hasPattern) return
    if (skipped !== undefined) console.log(`skipped: ${test.name}: ${skipped}`)
    const { startTime, duration } = test.diagnostic() ?? { startTime: Date.now(), duration: 0 }
    const file = test.module.moduleId
    recordEvent({
      kind: 'scenario',
      scenario: test.name,
      file: relative(scenarioRoot(), file),
      state: result.state,
      at: startTime,
      ms: duration,
      ...failure(result.errors, file),
      ...(skipped !== undefined && { message: skipped }),
    })
  }

  onTestModuleEnd(module: TestModule): void {
    recordSetUpFailure(module, module.moduleId)
  }

  onTestSuiteResult(suite: TestSuite): void {
    recordSetUpFailure(suite, suite.module.moduleId)
  }
}

/**
 * Kills vitest's process group when the channel to the runner closes, which the kernel does when the runner
 * is killed. Its workers would otherwise go on, on the next lab of the same name.
 */
function endWithRunner(): void {
  const end = () => process.kill(-process.pid, 'SIGKILL')
  if (process.connected === false) end()
  process.once('disconnect', end)
  process.channel?.unref() // vitest ends by itself when it has run all
}

type Errors = ReadonlyArray<{ message: string; stacks?: { file: string; line: number }[] | undefined }>

/** A file that could not be loaded, or whose beforeAll or afterAll failed, counts as a failed scenario. */
function recordSetUpFailure(of: TestModule | TestSuite, file: string): void {
  const errors = of.errors() as Errors
  if (errors.length === 0) return
  recordEvent({
    kind: 'scenario',
    scenario: of.type === 'module' ? 'the file as a whole' : of.name,
    file: relative(scenarioRoot(), file),
    state: 'failed',
    at: Date.now(),
    ms: 0,
    ...failure(errors, file),
  })
}

function failure(errors: Errors | undefined, file: string): Pick<ScenarioEvent, 'message' | 'line'> {
  if (errors === undefined || errors.length === 0) return {}
  const frame = errors.flatMap(({ stacks = [] }) => stacks).find((each) => each.file === file)
  const message = errors.map((error) => error.message).join('\n\n')
  return { message, ...(frame && { line: frame.line }) }
}
