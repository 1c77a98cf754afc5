/**
 * How a person starts the lab's command line, for messages. In another repository bin.mjs has started this
 * process.
 */
const isPackage = Boolean(process.env.MULTIHOST_STARTED_BY_BIN)

export const labCommand: string = isPackage ? 'npx multihost-lab lab' : 'npm run lab --'

/** For commands whose output is read: npm prints nothing of its own. */
export const quietLabCommand: string = isPackage ? labCommand : 'npm run -s lab --'

/** How a person starts another program of this project: `scenarios`. */
export function programCommand(program: string): string {
  return isPackage ? `npx multihost-lab ${program}` : `npm run ${program} --`
}
