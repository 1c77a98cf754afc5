import { expect, test } from 'vitest'
import { junit } from '../../acceptance/report.ts'
import { countsOf, failuresOf, sum } from '../../checks/junit.ts'

test('counts what a writer of JUnit has written', () => {
  const xml = junit([
    { title: 'a', seconds: 1 },
    { title: 'b "quoted"', seconds: 1, failure: 'a <failure> & a <skipped/> in its text\nand more' },
    { title: 'c', seconds: 0, skipped: true },
    { title: 'd', seconds: 0, skipped: true },
  ])
  expect(countsOf(xml)).toEqual({ passed: 1, failed: 1, skipped: 2 })
  expect(failuresOf(xml)).toEqual([
    expect.stringMatching(/> b "quoted": a <failure> & a <skipped\/> in its text \| and more$/),
  ])
})

test("counts vitest's file, with the system-out that it adds", () => {
  const xml = `<testsuites name="vitest tests" tests="3" failures="1" errors="0" time="1">
    <testsuite name="a.test.ts" tests="3" failures="1" errors="0" skipped="1" time="1">
        <testcase classname="a.test.ts" name="says &lt;skipped" time="0.1">
        </testcase>
        <testcase classname="a.test.ts" name="fails" time="0.1">
            <failure message="&lt;testcase&#10;&#10;and&#10;more&#10;and no more" type="AssertionError">
AssertionError
            </failure>
        </testcase>
        <testcase classname="a.test.ts" name="later" time="0">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`
  expect(countsOf(xml)).toEqual({ passed: 1, failed: 1, skipped: 1 })
  expect(failuresOf(xml)).toEqual(['a.test.ts > fails: <testcase | and | more'])
})

test('adds up', () => {
  expect(
    sum([
      { passed: 1, failed: 0, skipped: 2 },
      { passed: 3, failed: 1, skipped: 0 },
    ]),
  ).toEqual({ passed: 4, failed: 1, skipped: 2 })
})
