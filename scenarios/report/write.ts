/**
 * Writes the report from the recorded events: index.html for people and junit.xml for CI. Another subject has
 * a junit-NAME.xml of its own: its failures are not failures of ours.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { ownDriver, recordedEvents } from '../record/events.ts'
import { reportFolder, root, scenarioRoot } from '../record/folder.ts'
import { headingsOf } from './headings.ts'
import { renderReport } from './html/report.ts'
import { junit } from './junit.ts'
import { reportOf } from './model.ts'

export function writeReport(): void {
  const folder = reportFolder()
  const events = recordedEvents()
  const read = (file: string) => textOf(join(folder, file))
  const headings = headingsOf(textOf(join(root, 'docs/walkthrough.md')))
  const style = readFileSync(new URL('html/style.css', import.meta.url), 'utf8')
  writeFileSync(join(folder, 'index.html'), renderReport(reportOf(events, read), { headings, style }))
  for (const subject of new Set([ownDriver, ...events.map((event) => event.subject ?? ownDriver)])) {
    const own = events.filter((event) => (event.subject ?? ownDriver) === subject)
    const name = subject === ownDriver ? 'junit.xml' : `junit-${subject}.xml`
    writeFileSync(join(folder, name), junit(own, relative(scenarioRoot(), folder)))
  }
}

/** Empty for a missing file, so that the rest of the report is written. */
function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
