/**
 * Writes the report from what was told: index.html for people, junit.xml for CI (and junit-NAME.xml for another
 * driver that ran, since what it does not promise is no failure of ours).
 */
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { told } from './events.ts'
import { reportFolder, root } from './folder.ts'
import { junit } from './junit.ts'

const ours = 'vxlan'

export function writeReport(): void {
  const folder = reportFolder()
  const events = told()
  for (const driver of new Set([ours, ...events.map((event) => event.driver ?? ours)])) {
    const own = events.filter((event) => (event.driver ?? ours) === driver)
    const name = driver === ours ? 'junit.xml' : `junit-${driver}.xml`
    writeFileSync(join(folder, name), junit(own, relative(root, folder)))
  }
}
