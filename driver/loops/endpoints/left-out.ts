/**
 * Texts of this host's containers that no record can hold (core/endpoints/description.ts), for `status`. Each
 * is logged once.
 */

import { aliasesLeftOut, hostnameLeftOut, nameLeftOut } from '../../core/endpoints/description.ts'
import type { DockerNetwork } from '../../core/endpoints/docker-state.ts'
import type { EngineContainer } from '../../engine/engine.ts'
import type { Log } from '../../log.ts'
import { createProblems } from '../kit/problems.ts'

export interface LeftOut {
  /** A network answers with the names of its containers. */
  onNetwork(network: DockerNetwork): void
  inContainer(container: EngineContainer): void
  /** Forgets the containers that are on none of these networks. */
  keep(networks: readonly DockerNetwork[]): void
  messages(): string[]
}

const kinds = ['name', 'hostname', 'aliases'] as const

export function createLeftOut(log: Log): LeftOut {
  const problems = createProblems({ onNew: (key, message) => log.warn({ key }, message) })
  const note = (id: string, kind: (typeof kinds)[number], message: string | undefined): void => {
    if (message === undefined) problems.clear(`${id} ${kind}`)
    else problems.add(`${id} ${kind}`, message)
  }
  return {
    onNetwork({ endpoints }) {
      for (const { container } of endpoints)
        if (container !== undefined) note(container.id, 'name', nameLeftOut(container))
    },
    inContainer({ id, name, hostname, attachments }) {
      const aliases = [...new Set(attachments.flatMap((it) => it.aliases))]
      note(id, 'name', nameLeftOut({ id, name }))
      note(id, 'hostname', hostnameLeftOut({ id, name }, hostname))
      note(id, 'aliases', aliasesLeftOut({ id, name }, aliases))
    },
    keep(networks) {
      const ids = networks.flatMap(({ endpoints }) => endpoints.map(({ container }) => container?.id))
      problems.keep(new Set(ids.flatMap((id) => kinds.map((kind) => `${id} ${kind}`))))
    },
    messages: problems.messages,
  }
}
