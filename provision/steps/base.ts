/**
 * What every host has: its name, the names of the others, and the commands that the walkthrough types.
 */
import { hosts } from '../lab/hosts.ts'
import { shellQuote } from '../ssh/connection.ts'
import { type Step, succeeds } from './step.ts'

const commands: Record<string, string> = {
  ip: 'iproute2',
  iptables: 'iptables',
  ping: 'iputils-ping',
  tcpdump: 'tcpdump',
  iperf3: 'iperf3',
  curl: 'curl',
  jq: 'jq',
  ps: 'procps',
}

export const packages: Step = {
  title: 'packages',
  holds: (context) => succeeds(context, present(Object.keys(commands))),
  async apply({ $ }) {
    await $`apt-get update -q`
    await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ${Object.values(commands)}`
  },
}

/** A line for bash that succeeds when all of these commands are there; `command -v` does when one of them is. */
export function present(commands: readonly string[]): string {
  return `type ${commands.join(' ')} > /dev/null 2>&1`
}

export const names: Step = {
  title: 'host names',
  async holds(context) {
    const lines = entries().map((line) => `grep -qxF ${shellQuote(line)} /etc/hosts`)
    return succeeds(context, [`[ "$(uname -n)" = ${context.host.name} ]`, ...lines].join(' && '))
  },
  async apply(context) {
    const { $, host } = context
    await $`hostnamectl set-hostname ${host.name} || { echo ${host.name} > /etc/hostname; echo ${host.name} > /proc/sys/kernel/hostname; }`
    for (const line of entries()) await $`grep -qxF ${line} /etc/hosts || echo ${line} >> /etc/hosts`
  },
}

function entries(): string[] {
  return hosts.map((each) => `${each.address}\t${each.name}`)
}
