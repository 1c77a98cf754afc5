/**
 * An engine's own programs (`--engine-from`) in a folder of their own, before the distribution's in the
 * units' PATH. What the folder does not have comes from the distribution's packages.
 */
import { readFileSync } from 'node:fs'
import { checkVersion } from '../images/engines.ts'
import { engineProgramsIn } from '../images/programs.ts'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { engineFiles, keepEngine } from './earlier-engine.ts'
import { filesHold, type RemoteFile, type Step, type StepContext, writeFiles } from './step.ts'

export const engineFolder = '/opt/multihost-engine'
const programPath = `${engineFolder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

export const enginePrograms: Step = {
  title: 'docker engine: programs of --engine-from',
  holds: async (context) => filesHold(context, files(context)),
  async apply(context) {
    await tryEngine(context)
    await keepEngine(context)
    await context.$`systemctl stop docker docker.socket containerd`
    await writeFiles(context, files(context))
    await context.$`systemctl daemon-reload`
  },
}

/** Before anything is changed: another program would be found when it does not start. */
async function tryEngine(context: StepContext): Promise<void> {
  const { $, host, programs } = context
  const dockerd = programs.engine && engineProgramsIn(programs.engine).dockerd
  if (!dockerd) return
  const tried = `${engineFolder}/dockerd.tried`
  await writeFiles(context, [{ path: tried, content: readFileSync(dockerd), mode: '0755' }])
  const answer = await $`timeout ${10 * timeoutScale} ${tried} --version`.nothrow()
  await $`rm -f ${tried}; rmdir ${engineFolder} 2> /dev/null || true`
  if (/^Docker version /.test(answer.stdout)) return
  const said = answer.stderr.trim().split('\n').at(-1)
  throw new LabError(
    `--engine-from ${programs.engine}: its dockerd is not Docker on ${host.name}; "dockerd --version" must print "Docker version …"${said && `: ${said}`}`,
  )
}

/** After the engine was started: what runs is what was asked for. */
export const engineVersion: Step = {
  title: 'docker engine: version',
  async holds({ $, host, engine, programs }) {
    const wanted = programs.engine ? await given($) : engine
    const server = await $`docker version --format '{{.Server.Version}}'`
    if (wanted !== undefined) checkVersion(wanted, `version ${server.stdout.trim()}`, host.name)
    return true
  },
  apply: async () => undefined,
}

async function given($: StepContext['$']): Promise<string | undefined> {
  const { stdout } = await $`${engineFolder}/dockerd --version`
  return /version ([\w.+~-]+)/.exec(stdout)?.[1]
}

function files({ programs }: StepContext): RemoteFile[] {
  if (programs.engine === undefined) return []
  const found = Object.entries(engineProgramsIn(programs.engine))
  const has = (name: string) => found.some(([each]) => each === name)
  const options = '-H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS'
  return [
    ...found.map(([name, file]) => ({
      path: `${engineFolder}/${name}`,
      content: readFileSync(file),
      mode: '0755',
    })),
    dropIn(engineFiles.programs, `${engineFolder}/dockerd ${options}`),
    dropIn(engineFiles.containerd, `${has('containerd') ? engineFolder : '/usr/bin'}/containerd`),
  ]
}

function dropIn(path: string, command: string): RemoteFile {
  const content = `[Service]\nEnvironment=PATH=${programPath}\nExecStart=\nExecStart=${command}\n`
  return { path, content }
}
