/**
 * A line for a shell that may take longer than a command may: it runs on the host by itself, and its end is
 * waited for.
 */
import type { Host } from './host.ts'

/** Resolves with both outputs of the line, also when it fails. */
export async function longRun(host: Host, line: string, withinMs: number): Promise<string> {
  const file = await host.succeed`mktemp -u /tmp/long-run.XXXXXX`
  const begin = `{ { ${line}; } > ${file}.part 2>&1; mv ${file}.part ${file}; } > /dev/null 2>&1 &`
  await host.succeed`sh -c ${begin}`
  return host.within(withinMs).waitUntilSucceeds`sh -c ${`cat ${file} && rm ${file}`}`
}
