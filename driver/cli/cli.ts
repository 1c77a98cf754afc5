/**
 * The commands for people on a host. All of them ask the driver over its control socket.
 */
import type { Evicted } from '../control/app.ts'
import type { CheckResult } from '../control/check.ts'
import { ask } from '../control/client.ts'
import type { Status, WaitingStatus } from '../control/status.ts'
import { DriverError } from '../core/errors.ts'
import { defaultControlSocket } from '../sockets.ts'
import { checkWithinMs, exitCodeOf, showCheck } from './check.ts'
import { parsedArgs } from './parsed-args.ts'
import { showHosts, showStatus } from './show.ts'

export const help = `multihost: one network for containers on several Docker hosts

  multihost doctor [STORE] [OPTIONS] [--json]
                               check what this host lacks for a cluster; exit code 0: nothing. OPTIONS: those of
                               multihost daemon
  multihost init [--consul-from=FILE] [OPTIONS]
                               begin a cluster: run Consul on this host, with TLS and ACLs; print how others join
  multihost init --token-for=NAME
                               on the host of init: make a token that lets host NAME claim no other name
  multihost join consul://HOST[:PORT][,…] [OPTIONS]
                               make this host a member; if a check fails, change nothing and print what is missing
  multihost leave [--force]    take this host out of its cluster; --force disconnects its containers first, and
                               works without Docker and without the store
  multihost status [--json]    show this host: store, hosts, tunnels, networks, problems
  multihost check [--json] [--repair] [--within=SECONDS]
                               compare Consul, kernel and Docker on this host; exit code 0: they agree
  multihost host ls [--json]   list the hosts of the cluster
  multihost host rm NAME       remove a host that does not come back; its addresses and names become free
  multihost network rm NAME    remove a network from all hosts; refused while something needs it
  multihost service …          publish and attach services: multihost service --help
  multihost docker …           docker, with the commands of Docker 1.8 (docs/dialect.md)
  multihost daemon …           run the driver: multihost daemon --help
  multihost --version

  --control-socket=PATH        the driver's socket, for status, check and host; default: ${defaultControlSocket}.
                               network, service and docker always use the default
`

const commands =
  'doctor, init, join, leave, status, check, host ls, host rm, network rm, service, docker and daemon'

/** The driver looks at the host twice, and commits some 25 endpoints at a time. */
const removesHostWithinMs = 600_000

/** The exit code. */
export async function cli(args: string[], print: (text: string) => void): Promise<number> {
  const { words, json, socket, repair, within } = parse(args)
  const command = words.slice(0, words[0] === 'host' ? 2 : 1).join(' ')
  const rest = words.slice(command.split(' ').length)
  const status = () => ask<Status | WaitingStatus>(socket, 'GET', '/status')
  switch (command) {
    case 'status':
      expectWords(command, rest, 0)
      print(json ? JSON.stringify(await status(), null, 2) : showStatus(await status()))
      return 0
    case 'check': {
      expectWords(command, rest, 0)
      const path = `/check?within=${encodeURIComponent(within)}`
      const withinMs = checkWithinMs(within, repair)
      const result = await ask<CheckResult>(socket, repair ? 'POST' : 'GET', path, { withinMs })
      print(json ? JSON.stringify(result, null, 2) : showCheck(result))
      return exitCodeOf(result)
    }
    case 'host ls': {
      expectWords(command, rest, 0)
      const answer = await status()
      if ('waiting' in answer) throw new DriverError('unavailable', answer.waiting)
      const { hosts } = answer
      print(json ? JSON.stringify(hosts, null, 2) : showHosts(hosts))
      return 0
    }
    case 'host rm': {
      expectWords(command, rest, 1)
      const [name = ''] = rest
      const { endpoints, addresses } = await ask<Evicted>(
        socket,
        'DELETE',
        `/hosts/${encodeURIComponent(name)}`,
        { withinMs: removesHostWithinMs },
      )
      print(`host ${name} is out of the cluster: ${endpoints} endpoints and ${addresses} addresses are free`)
      return 0
    }
    default:
      throw new DriverError('invalid', `there is no command '${words.join(' ')}'`, {
        hint: `there are ${commands}; see 'multihost --help'`,
      })
  }
}

interface Parsed {
  words: string[]
  json: boolean
  socket: string
  repair: boolean
  within: string
}

function parse(args: string[]): Parsed {
  const config = {
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      repair: { type: 'boolean', default: false },
      within: { type: 'string', default: '5' },
      'control-socket': { type: 'string', default: defaultControlSocket },
    },
  } as const
  const { values, positionals } = parsedArgs(config, "see 'multihost --help'")
  const { json, repair, within } = values
  return { words: positionals, json, repair, within, socket: values['control-socket'] }
}

function expectWords(command: string, rest: string[], count: number): void {
  if (rest.length === count) return
  const wanted = count === 0 ? 'no further word' : 'one name'
  const given = rest.length === 0 ? 'and none was given' : `not '${rest.join(' ')}'`
  throw new DriverError('invalid', `multihost ${command} takes ${wanted}, ${given}`)
}
