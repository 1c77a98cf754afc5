/**
 * The overlay driver: one bundled file, its command and its unit, started before Docker.
 *
 * Node comes from the host's own distribution. Where that has an older one than the driver needs (Debian
 * 12's), the Node that runs this script is brought along. Where it does not run on the host (Debian's needs
 * libnode.so, a Mac's needs a Mac), the Node of the packages is brought along.
 */
import { existsSync, readFileSync } from 'node:fs'
import { optionsFile } from '../../driver/membership/options-file.ts'
import { defaultControlSocket } from '../../driver/sockets.ts'
import { commandText, hostPaths, unitText } from '../package/host-files.ts'
import { type Architecture, nodeFiles } from '../package/node.ts'
import { LabError, messageOf } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { install } from './apt.ts'
import { processorOf } from './programs-fit.ts'
import {
  filesHold,
  type RemoteFile,
  type Step,
  type StepContext,
  startedWith,
  succeeds,
  unitRuns,
  until,
  writeFiles,
} from './step.ts'

const bundle = new URL('../../dist/multihost.cjs', import.meta.url)
const { program, node: ownNode, command } = hostPaths('/usr/local')
/** Of a secured Consul. */
export const authorityFile = '/etc/multihost/consul-ca.pem'
export const tokenFile = '/etc/multihost/consul-token'
const neededNode = 20
const answers = `curl -sf --max-time 5 --unix-socket ${defaultControlSocket} http://driver/status > /dev/null`

export const node: Step = {
  title: `Node ${neededNode} or newer for the driver`,
  holds: async (context) => (await nodePath(context)) !== undefined,
  async apply(context) {
    const { upload } = context
    if (await offersNode(context)) {
      await install(context, ['nodejs'])
      return
    }
    const processor = await processorOf(context)
    if (process.platform === 'linux' && process.arch === processor) {
      await upload(ownNode, readFileSync(process.execPath), '0755')
      if ((await nodePath(context)) !== undefined) return
    }
    await upload(ownNode, await packagedNode(context, processor), '0755')
  },
}

const debianNames: Readonly<Record<string, Architecture>> = { x64: 'amd64', arm64: 'arm64' }

async function packagedNode({ host }: StepContext, processor: string): Promise<Buffer> {
  const architecture = debianNames[processor]
  const hint = `install Node ${neededNode} or newer on ${host.name}`
  if (architecture === undefined)
    throw new LabError(
      `${host.name} (${processor}) has no Node ${neededNode}, and multihost has no Node for it`,
      {
        hint,
      },
    )
  try {
    return (await nodeFiles(architecture)).program
  } catch (cause) {
    throw new LabError(
      `${host.name} has no Node ${neededNode}, and none can be fetched: ${messageOf(cause)}`,
      {
        hint: `${hint}; Node is fetched by npm into the folder that MULTIHOST_CACHE names`,
        cause,
      },
    )
  }
}

/** A new bundle is for the driver that runs too: it ends here, and the next step starts it. */
export const driverFiles: Step = {
  title: 'overlay driver: its files',
  holds: async (context) => filesHold(context, await files(context)),
  async apply(context) {
    await writeFiles(context, await files(context))
    await context.$`systemctl -q --no-reload enable multihost; systemctl daemon-reload; systemctl -q stop multihost`
  },
}

export const driverSecrets: Step = {
  title: "overlay driver: consul's authority and the host's token",
  holds: async (context) =>
    (await filesHold(context, secretFiles(context))) && succeeds(context, privately(context)),
  apply: async (context) => writeFiles(context, secretFiles(context)),
}

export const driver: Step = {
  title: 'overlay driver',
  holds: async (context) =>
    (await succeeds(context, unitRuns('multihost', answers))) &&
    succeeds(context, startedWith('multihost', 'MULTIHOST_OPTS', optionsFile)),
  async apply(context) {
    await context.$`systemctl -q is-enabled multihost > /dev/null || systemctl -q enable multihost; systemctl restart multihost`
    await until(context, answers, 'the driver does not answer')
  },
}

function secretFiles({ secrets, host }: StepContext): RemoteFile[] {
  if (secrets === undefined) return []
  return [
    { path: authorityFile, content: secrets.authority, mode: '0644' },
    { path: tokenFile, content: `${secrets.tokens[host.name]}\n`, mode: '0600' },
  ]
}

const privately = ({ secrets }: StepContext) =>
  secrets === undefined ? 'true' : `[ "$(stat -c %a ${tokenFile})" = 600 ]`

async function files(context: StepContext): Promise<RemoteFile[]> {
  if (!existsSync(bundle)) throw new LabError('dist/multihost.cjs is missing', { hint: 'npm run build' })
  const runtime = { node: (await nodePath(context)) ?? ownNode, program }
  return [
    { path: program, content: readFileSync(bundle), mode: '0755' },
    { path: command, content: commandText(runtime), mode: '0755' },
    {
      path: '/etc/systemd/system/multihost.service',
      content: unitText({ ...runtime, startSeconds: 45 * timeoutScale }),
    },
  ]
}

/** The host's distribution has a Node that is new enough. */
function offersNode(context: StepContext): Promise<boolean> {
  const major = "LC_ALL=C apt-cache policy nodejs | sed -n 's/^ *Candidate: \\([0-9]*\\)\\..*/\\1/p'"
  return succeeds(context, `[ "$(${major})" -ge ${neededNode} ]`)
}

/** The Node that the driver is run by on the host. */
async function nodePath(context: StepContext): Promise<string | undefined> {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node', ownNode]) {
    const major = `${path} --version 2>/dev/null | sed 's/^v\\([0-9]*\\).*/\\1/'`
    if (await succeeds(context, `[ -x ${path} ] && [ "$(${major})" -ge ${neededNode} ]`)) return path
  }
  return undefined
}
