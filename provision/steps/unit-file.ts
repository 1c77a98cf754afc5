/**
 * What a unit says, from the output of `systemctl cat`: its file and its drop-ins, in the order in which they
 * count. Pure. Source: systemd.syntax(7).
 */

/**
 * Values of a setting that is a list: an empty assignment clears it. `without`: paths of files that do not
 * count.
 */
export function assigned(text: string, setting: string, without: readonly string[] = []): string[] {
  let values: string[] = []
  let counts = true
  for (const line of joined(text)) {
    const path = /^# (\/\S+)$/.exec(line)?.[1] // stands before each file
    if (path !== undefined) counts = !without.includes(path)
    const [, name, value = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (counts && name === setting) values = value === '' ? [] : [...values, value]
  }
  return values
}

/** Its lines; those that end in a backslash with the next one, and without the comments between them. */
function joined(text: string): string[] {
  const lines: string[] = []
  let begun: string | undefined
  for (const line of text.split('\n')) {
    if (begun !== undefined && /^\s*[#;]/.test(line)) continue
    const whole = begun === undefined ? line : `${begun} ${line.trim()}`
    const continued = /^\s*[^#;\s].*\\$/.test(whole)
    begun = continued ? whole.slice(0, -1).trimEnd() : undefined
    if (!continued) lines.push(whole)
  }
  return begun === undefined ? lines : [...lines, begun]
}
