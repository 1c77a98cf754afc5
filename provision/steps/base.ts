/**
 * What every host has: its name, the names of the others, and the commands that the walkthrough types.
 */
import { hostCommands } from '../images/packages.ts'
import { hostsFileLines } from '../lab/definition.ts'
import { shellQuote } from '../process/quote.ts'
import { install } from './apt.ts'
import { type Step, succeeds } from './step.ts'

export const packages: Step = {
  title: 'packages',
  holds: (context) => succeeds(context, present(Object.keys(hostCommands))),
  async apply(context) {
    await context.$`apt-get update -q`
    await install(context, Object.values(hostCommands))
  },
}

/** A line for bash that succeeds when all commands exist; `command -v` succeeds when one of them does. */
export function present(commands: readonly string[]): string {
  return `type ${commands.join(' ')} > /dev/null 2>&1`
}

export const names: Step = {
  title: 'host names',
  async holds(context) {
    const lines = hostsFileLines(context.lab).map((line) => `grep -qxF ${shellQuote(line)} /etc/hosts`)
    return succeeds(context, [`[ "$(uname -n)" = ${context.host.name} ]`, ...lines].join(' && '))
  },
  async apply(context) {
    const { $, host } = context
    await $`hostnamectl set-hostname ${host.name} || { echo ${host.name} > /etc/hostname; echo ${host.name} > /proc/sys/kernel/hostname; }`
    // Behind a last line of a person's that has no line feed.
    await $`[ -z "$(tail -c 1 /etc/hosts)" ] || echo >> /etc/hosts`
    for (const line of hostsFileLines(context.lab))
      await $`grep -qxF ${line} /etc/hosts || echo ${line} >> /etc/hosts`
  },
}
