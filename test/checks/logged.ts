/**
 * What the hosts of a failed scenario have logged, from the evidence that its report keeps: the lines of the
 * driver, of Docker and of Consul that are warnings or errors. A gate's log is often all that is left of it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Lines of one log. */
const most = 12
const widest = 300

const logs = /-(driver|docker|Consul)-log\.txt$/
/** In pino's JSON, in dockerd's logfmt, in Consul's text. */
const grave =
  /"level":(?:4|5|6)0|"level":"(?:warn|error|fatal)"|level=(?:warning|error|fatal)|\[(?:WARN|ERROR)\]/

/** `folder`: an evidence/. One line for each line of a log: the file, and the last lines that are grave. */
export function loggedIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((scenario) =>
    readdirSync(join(folder, scenario))
      .filter((file) => logs.test(file))
      .flatMap((file) => {
        const lines = readFileSync(join(folder, scenario, file), 'utf8').split('\n')
        const found = lines.filter((line) => grave.test(line)).slice(-most)
        return found.map((line) => `${scenario.slice(0, 20)}… ${file}: ${line.slice(0, widest)}`)
      }),
  )
}
