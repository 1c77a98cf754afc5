/**
 * How a person starts the lab's command line, for messages. In another repository bin.mjs has started this
 * process.
 */
export const labCommand: string = process.env.MULTIHOST_STARTED_BY_BIN
  ? 'npx multihost-lab lab'
  : 'npm run lab --'
