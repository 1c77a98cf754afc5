/**
 * The lab's network: one namespace per host, joined by a bridge in a switch namespace of its own.
 *
 * The bridge is not in the machine's namespace: the machine's own Docker, firewall and addresses do not
 * affect the lab, and two labs can use the same addresses. A port of the switch is named after its host.
 *
 *     mhlab-LAB-switch:  br-lab ── net-1, net-2, consul-server
 *     mhlab-LAB-net-1:   eth1 192.168.33.11/24
 */
import { readdirSync } from 'node:fs'
import { type Lab, namesOf, prefixLength } from '../../lab/definition.ts'
import { killAll } from '../../process/kill.ts'
import { run } from '../../process/run.ts'
import { unlessGone } from '../../process/unless-gone.ts'
import { labPaths } from './paths.ts'

export const bridge = 'br-lab'

/**
 * Idempotent: makes what is missing. A host whose namespace lost its name gets a new namespace. When the
 * switch lost its name, all get new ones: a namespace without a name cannot be found again.
 */
export async function makeNetwork(name: string, lab: Lab): Promise<void> {
  const paths = labPaths(name)
  if (!namespaces().has(paths.switchNamespace)) {
    await removeNetwork(name, namesOf(lab))
    await makeSwitch(paths.switchNamespace)
  }
  const have = namespaces()
  const ports = await run('ip', ['-n', paths.switchNamespace, '-o', 'link'])
  for (const host of lab.hosts) {
    const { namespace } = paths.host(host.name)
    if (have.has(namespace)) continue
    await run('ip', ['netns', 'add', namespace])
    await run('ip', ['-n', paths.switchNamespace, '-batch', '-'], {
      input: [
        ...(ports.includes(` ${host.name}@`) ? [`link del dev ${host.name}`] : []),
        `link add name ${host.name} type veth peer name eth1 netns ${namespace}`,
        `link set dev ${host.name} master ${bridge} up`,
      ].join('\n'),
    })
    await run('ip', ['-n', namespace, '-batch', '-'], {
      input: [
        'link set dev lo up',
        `address add ${host.address}/${prefixLength(lab)} brd + dev eth1`,
        'link set dev eth1 up',
      ].join('\n'),
    })
  }
}

/** Removes the namespaces that are there; links and addresses go with them. */
export async function removeNetwork(lab: string, names: readonly string[]): Promise<void> {
  const paths = labPaths(lab)
  const have = namespaces()
  const mine = [...names.map((name) => paths.host(name).namespace), paths.switchNamespace].filter((each) =>
    have.has(each),
  )
  if (have.has(paths.switchNamespace)) await endProcesses(paths.switchNamespace)
  if (mine.length > 0)
    await run('ip', ['-batch', '-'], { input: mine.map((each) => `netns del ${each}`).join('\n') })
}

/** Ends the processes in the namespace; while one runs, the namespace exists. */
export function endProcesses(namespace: string): Promise<void> {
  return killAll(() => processesIn(namespace), namespace)
}

async function makeSwitch(namespace: string): Promise<void> {
  await run('ip', ['netns', 'add', namespace])
  await run('ip', ['-n', namespace, '-batch', '-'], {
    input: ['link set dev lo up', `link add name ${bridge} type bridge`, `link set dev ${bridge} up`].join(
      '\n',
    ),
  })
}

function namespaces(): Set<string> {
  return new Set(unlessGone(() => readdirSync('/run/netns')))
}

async function processesIn(namespace: string): Promise<number[]> {
  return (await run('ip', ['netns', 'pids', namespace])).split('\n').filter(Boolean).map(Number)
}
