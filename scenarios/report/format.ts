/**
 * Numbers, ids and paths as the report shows them.
 */

/** `7 ms`, `812 ms`, `1.23 s`, `25.3 s`, `3 min 45 s`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${ms.toFixed(0)} ms`
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** `1 scenario`, `2 scenarios`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Shortens Docker's ids to twelve digits, as Docker does. */
export function shortIds(text: string): string {
  return text.replaceAll(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1…')
}

/** `scenarios/overlay/names.scenario.ts` → `overlay/names`. */
export function fileTitle(file: string): string {
  return file.replace(/^scenarios\//, '').replace(/\.scenario\.ts$/, '')
}
