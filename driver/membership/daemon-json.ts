/**
 * Docker's own options, as dockerd reads them: a byte order mark does not count, and an empty file sets
 * nothing (moby's daemon/config). Pure.
 */
export const daemonJson = '/etc/docker/daemon.json'

/** Throws a SyntaxError. */
export function parseDaemonJson(text: string): unknown {
  const json = text.replace(/^\uFEFF/, '').trim()
  return json === '' ? {} : JSON.parse(json)
}
