/**
 * Scenarios that need more hosts than the walkthrough's lab has.
 */
import { scenario } from './scenario.ts'
import { everyServerVotes } from './store.ts'

/**
 * `scenario`, skipped on a lab with fewer hosts, such as one that was up already. It begins when all of
 * several Consul servers vote: the scenario before it may have stopped one.
 */
export function scenarioOn({ docker = 2, consul = 1 }: { docker?: number; consul?: number }) {
  return scenario.extend<{ enough: undefined }>({
    enough: [
      async ({ hosts, consulServer, consulServers, skip }, use) => {
        if (hosts.length < docker) skip(`needs ${docker} Docker hosts: --hosts ${docker}`)
        if (consulServers.length < consul) skip(`needs ${consul} Consul servers: --consul ${consul}`)
        if (consul > 1) await everyServerVotes(consulServer, consulServers.length)
        await use(undefined)
      },
      { auto: true },
    ],
  })
}
