/**
 * Where the driver's files are on a host, and the text of its command and its systemd unit. The Debian
 * package has them under /usr; the archive's install.sh and the lab's steps have them under /usr/local.
 */
import { render } from '../steps/template.ts'

export type Prefix = '/usr' | '/usr/local'

export interface HostPaths {
  /** The bundle. */
  program: string
  /** The Node that comes with the driver. */
  node: string
  command: string
}

export function hostPaths(prefix: Prefix): HostPaths {
  const folder = `${prefix}/lib/multihost`
  return {
    program: `${folder}/multihost.cjs`,
    node: `${folder}/node`,
    command: `${prefix}/bin/multihost`,
  }
}

/** `node` may be another one than the driver's own. */
export interface Runtime {
  node: string
  program: string
}

export function commandText({ node, program }: Runtime): string {
  return `#!/bin/sh
# The PATH of root by su(1) has no folder of bridge and nft on Debian.
PATH=\${PATH:+$PATH:}/usr/local/sbin:/usr/sbin:/sbin
export PATH
# Options for the person's own programs: a module that they require may not be there for this one.
unset NODE_OPTIONS
exec ${node} ${program} "$@"
`
}

export function unitText(values: Runtime & { startSeconds: number }): string {
  return render(new URL('../../driver/daemon/multihost.service.hbs', import.meta.url), { ...values })
}
