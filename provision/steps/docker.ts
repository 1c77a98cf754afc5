/**
 * The Docker engine reads /etc/default/docker, as the walkthrough documents it.
 */
import { z } from 'zod'
import { answerWithinS } from '../../driver/protocol/answer-timeout.ts'
import { consulFor, type Lab, type LabHost } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { authorityFile, tokenFile } from './driver.ts'
import {
  filesHold,
  type RemoteFile,
  type Step,
  type StepContext,
  succeeds,
  unitRuns,
  until,
  writeFiles,
} from './step.ts'
import { render } from './template.ts'

const optionsFile = '/etc/default/docker'
const dropIn = '/etc/systemd/system/docker.service.d/multihost.conf'
/** The driver's own address on each host, from the block that no host chooses by itself (RFC 3927 §2.1). */
const dnsAddress = '169.254.255.53'
const answers = 'docker version > /dev/null'

/** Options end up inside double quotes in a file that shells and systemd read: nothing may end the quotes or expand. */
const optionSchema = z
  .string()
  .regex(/^[^"\\$`\n]*$/, 'must not contain a double quote, backslash, dollar, backtick or newline')
const valuesSchema = z.strictObject({ dockerOpts: optionSchema, multihostOpts: optionSchema })

/** Before the engine and the driver, which both read it. */
export const engineOptions: Step = {
  title: `options of engine and driver: ${optionsFile}`,
  holds: (context) => filesHold(context, [optionsFileFor(context)]),
  async apply(context) {
    await writeFiles(context, [optionsFileFor(context)])
    // Units that run have the old options; the steps after this one start them again.
    await context.$`systemctl stop docker docker.socket multihost > /dev/null 2>&1 || true`
  },
}

export const docker: Step = {
  title: `docker engine: runs with the options in ${optionsFile}`,
  holds: async (context) =>
    (await succeeds(context, `systemctl show -p EnvironmentFiles docker | grep -q ${optionsFile}`)) &&
    succeeds(context, unitRuns('docker', answers)),
  async apply(context) {
    const { $, host } = context
    if (!(await succeeds(context, `systemctl cat docker | grep -q ${optionsFile}`))) await addDropIn(context)
    await $`systemctl -q enable docker; systemctl restart docker`
    await until(context, answers, `dockerd on ${host.name} does not answer`)
  },
}

/** The engine's and the driver's options as one file; throws with the name and value that cannot stand in it. */
export function optionsFileText(values: { dockerOpts: string; multihostOpts: string }): string {
  const parsed = valuesSchema.safeParse(values)
  if (!parsed.success) throw new LabError(`${optionsFile}: ${z.prettifyError(parsed.error)}`)
  return render(new URL('./templates/docker.hbs', import.meta.url), parsed.data)
}

function optionsFileFor({ lab, host, secrets }: StepContext): RemoteFile {
  const options = driverOptions({ lab, host, secured: secrets !== undefined, timeoutScale })
  return {
    path: optionsFile,
    content: optionsFileText({
      dockerOpts: [`--dns=${dnsAddress}`, ...enginePools].join(' '),
      multihostOpts: options.join(' '),
    }),
  }
}

/**
 * The walkthrough's networks have 172.21.0.0/16 and the next ones, as in 2015. Those are among the engine's own, so the
 * lab's engines have the others. A machine without these options has pools that do not meet (driver/core/pools.ts).
 */
const driverPools = '--address-pools=172.21.0.0/16,172.22.0.0/15:16,172.24.0.0/13:16,172.16.0.0/16:24'
const enginePools = [
  '172.17.0.0/16,size=16',
  '172.18.0.0/15,size=16',
  '172.20.0.0/16,size=16',
  '192.168.0.0/16,size=20',
].map((pool) => `--default-address-pool=base=${pool}`)

export function driverOptions(of: {
  lab: Lab
  host: LabHost
  secured: boolean
  timeoutScale: number
}): string[] {
  const consul = consulFor(of.lab, of.host).address
  const secured = [
    `--kv-store=https://${consul}:8501`,
    `--kv-ca-file=${authorityFile}`,
    `--kv-token-file=${tokenFile}`,
  ]
  return [
    ...(of.secured ? secured : [`--kv-store=consul://${consul}:8500`]),
    '--default-network=overlay:multihost',
    `--bind-interface=${of.lab.network}`,
    `--dns-listen=${dnsAddress}`,
    driverPools,
    ...(of.timeoutScale === 1 ? [] : [`--answer-within=${scaledAnswerS(of.timeoutScale)}`]),
  ]
}

function scaledAnswerS(timeoutScale: number): number {
  return Math.min(answerWithinS.usual * timeoutScale, answerWithinS.most)
}

async function addDropIn(context: StepContext): Promise<void> {
  const dockerd = (await context.$`command -v dockerd`).stdout.trim()
  const content = render(new URL('./templates/docker-options.conf.hbs', import.meta.url), { dockerd })
  await writeFiles(context, [{ path: dropIn, content }])
  await context.$`systemctl daemon-reload`
}
