/**
 * The subject that this process tests, from the environment. Throws when scenarios/main.ts has not chosen
 * one.
 */
import { type SubjectFacts, subjectVariable } from './subject.ts'

export const subject: SubjectFacts = subjectOf(process.env[subjectVariable])

function subjectOf(json: string | undefined): SubjectFacts {
  if (json === undefined)
    throw new Error(`${subjectVariable} is not set: run scenarios by \`npm run scenarios\``)
  return JSON.parse(json)
}
