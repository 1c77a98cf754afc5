/**
 * Writes the report from what was told: index.html for people, junit.xml for CI (and junit-NAME.xml for another
 * driver that ran, since what it does not promise is no failure of ours).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { told } from '../record/events.ts'
import { reportFolder, root } from '../record/folder.ts'
import { junit } from './junit.ts'
import { pageOf } from './model.ts'
import { renderPage } from './page/page.ts'
import { headingsOf } from './walkthrough.ts'

const ours = 'vxlan'

export function writeReport(): void {
  const folder = reportFolder()
  const events = told()
  const read = (file: string) => textOf(join(folder, file))
  const walkthrough = headingsOf(textOf(join(root, 'docs/walkthrough.md')))
  const style = readFileSync(new URL('page/style.css', import.meta.url), 'utf8')
  writeFileSync(join(folder, 'index.html'), renderPage(pageOf(events, read), { walkthrough, style }))
  for (const driver of new Set([ours, ...events.map((event) => event.driver ?? ours)])) {
    const own = events.filter((event) => (event.driver ?? ours) === driver)
    const name = driver === ours ? 'junit.xml' : `junit-${driver}.xml`
    writeFileSync(join(folder, name), junit(own, relative(root, folder)))
  }
}

/** A file that is not there is an empty one: the report of what there is must be written. */
function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
