/**
 * iproute2 in the switch's namespace.
 */
import { run } from '../../../process/run.ts'

/** `ip -batch`; nothing where there are no lines. */
export async function ip(namespace: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await run('ip', ['-n', namespace, '-batch', '-'], { input: lines.join('\n') })
}

/** Names of the devices of that type. */
export async function links(namespace: string, type: string): Promise<string[]> {
  const text = await run('ip', ['-n', namespace, '-j', 'link', 'show', 'type', type])
  // Of no device at all `ip` says nothing; of those of another type it may leave empty objects.
  return (JSON.parse(text || '[]') as { ifname?: string }[]).flatMap(({ ifname }) => ifname ?? [])
}
