/**
 * `--driver`: another subject on the same hosts, `swarm` or PATH[:NAME] of a plugin.
 */
import type { Subject } from '../kit/subject.ts'
import { plugin, pluginNamed } from './plugin.ts'
import { swarm } from './swarm.ts'

export function otherSubject(word: string): Subject {
  return word === 'swarm' ? swarm : plugin(pluginNamed(word))
}
