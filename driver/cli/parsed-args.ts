import { type ParseArgsConfig, parseArgs } from 'node:util'
import { DriverError } from '../core/errors.ts'

/** As Node's `parseArgs`. Throws `invalid` with the first sentence of Node's error, which names the word. */
export function parsedArgs<const Config extends ParseArgsConfig>(config: Config, hint: string) {
  try {
    return parseArgs(config)
  } catch (cause) {
    throw new DriverError('invalid', (cause as Error).message.split('. ')[0] ?? '', { hint, cause })
  }
}
