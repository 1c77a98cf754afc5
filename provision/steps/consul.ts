/**
 * Consul as a server on each consul host, with its UI, on loopback and the lab's network only. Several
 * servers elect a leader among them.
 */
import { readFileSync } from 'node:fs'
import { consulSources, firstOf } from '../images/consul-sources.ts'
import { debianSite, indexTargets } from '../images/pins.ts'
import { checkAnswer } from '../images/programs.ts'
import { hostsOfRole } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
import { timeoutScale } from '../process/timeout-scale.ts'
import { install, sourceFile } from './apt.ts'
import { publicMirror } from './release.ts'
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
import { assigned } from './unit-file.ts'

const configPath = '/etc/consul.d/multihost.json'
const unitPath = '/etc/systemd/system/consul.service'
const binary = '/usr/bin/consul'
/** RPC, gossip, HTTP and HTTPS. */
const ports = [8300, 8301, 8500, 8501]
const [certificate, key] = ['/etc/consul.d/consul.pem', '/etc/consul.d/consul.key']
const leader = `curl -sf --max-time 1 http://127.0.0.1:8500/v1/status/leader | grep -q :`

/** Before anything is changed: a Consul of the person's stays. A package's unit that is off serves for none. */
export const consulFits: Step = {
  title: 'consul: no other one on the host',
  async holds(context) {
    const { $, host } = context
    const unit = await $`systemctl cat consul`.nothrow()
    const command = assigned(unit.stdout, 'ExecStart').at(-1)
    if (unit.exitCode !== 0 || command === undefined || command.includes(configPath)) {
      const isOurs = command !== undefined && (await succeeds(context, 'systemctl -q is-active consul'))
      if (!isOurs) await checkPorts(context)
      return true
    }
    const used = `systemctl -q is-active consul || systemctl -q is-enabled consul 2> /dev/null || [ -e ${unitPath} ]`
    if (!(await succeeds(context, used))) return true
    throw new LabError(`${host.name} has a Consul of its own (${command}); nothing was changed`, {
      hint: `give the lab another host for its Consul, or end that one: systemctl disable --now consul; ${unitPath} must not exist`,
    })
  },
  apply: async () => undefined,
}

/** A Consul in a container, or of a unit with another name. */
async function checkPorts({ $, host }: StepContext): Promise<void> {
  const { stdout } = await $`ss -ltnH`.nothrow()
  const listening = stdout.split('\n').flatMap((line) => line.trim().split(/\s+/)[3] ?? [])
  const places = ['0.0.0.0', '*', '[::]', '127.0.0.1', host.address]
  const wanted = places.flatMap((place) => ports.map((port) => `${place}:${port}`))
  const taken = listening.find((each) => wanted.includes(each))
  if (taken === undefined) return
  throw new LabError(
    `${host.name} has another program on a port of Consul’s (${taken}); nothing was changed`,
    { hint: 'give the lab another host for its Consul, or end that program: ss -ltnp shows it' },
  )
}

export const consulPackage: Step = {
  title: 'consul: its program',
  holds: async (context) =>
    (await filesHold(context, program(context))) && succeeds(context, `[ -x ${binary} ]`),
  async apply(context) {
    const files = program(context)
    if (files.length === 0) return installPackage(context)
    await replaceProgram(context, files)
    await context.$`systemctl try-restart consul > /dev/null 2>&1 || true`
  },
}

export const consul: Step = {
  title: 'consul server',
  async holds(context) {
    return (await filesHold(context, files(context))) && succeeds(context, unitRuns('consul', leader))
  },
  async apply(context) {
    const { $ } = context
    await $`id -u consul > /dev/null 2>&1 || useradd --system --home-dir /var/lib/consul --shell /usr/sbin/nologin consul`
    await writeFiles(context, files(context))
    const wasActive = await succeeds(context, 'systemctl -q is-active consul')
    try {
      await $`chown -R consul: /etc/consul.d; systemctl -q --no-reload enable consul; systemctl daemon-reload; systemctl restart consul`
      await until(context, leader, 'Consul has no leader')
    } catch (error) {
      // Its unit starts it again without end.
      if (!wasActive) await $`systemctl -q disable --now consul`.nothrow()
      throw error
    }
  },
}

/** The program of --consul-from. */
function program({ programs }: StepContext): RemoteFile[] {
  if (programs.consul === undefined) return []
  return [{ path: binary, content: readFileSync(programs.consul), mode: '0755' }]
}

/** A program that does not answer as Consul on the host replaces nothing. */
async function replaceProgram(context: StepContext, files: readonly RemoteFile[]): Promise<void> {
  const { $, host, programs } = context
  const tried = `${binary}.multihost`
  await writeFiles(
    context,
    files.map((file) => ({ ...file, path: tried })),
  )
  const version = await $`timeout ${10 * timeoutScale} ${tried} version`.nothrow()
  try {
    checkAnswer(programs.consul ?? '', version.stdout, ` on ${host.name}`)
    await $`mv ${tried} ${binary}`
  } finally {
    await $`rm -f ${tried}`
  }
}

async function installPackage(context: StepContext): Promise<void> {
  const { $, host } = context
  const mirror = debianSite((await $`apt-get ${indexTargets}`).stdout) ?? publicMirror
  const list = sourceFile('consul')
  // The package's own unit never runs: a provisioning that is cut off here would leave a Consul like a person's.
  const mayMask = await succeeds(context, `[ ! -e ${unitPath} ] && [ ! -L ${unitPath} ]`)
  if (mayMask) await $`ln -s /dev/null ${unitPath}`
  await firstOf(
    consulSources(mirror),
    async ({ site, suite, key }) => {
      const keyring = '/usr/share/keyrings/multihost-consul.asc'
      // apt reads it as a user of its own.
      if (key) await $`umask 022; curl -fsS --max-time 10 -o ${keyring} ${key}`
      const options = `[check-valid-until=no${key ? ` signed-by=${keyring}` : ''}]`
      await $`echo ${`deb ${options} ${site} ${suite} main`} > ${list}`
      const updated = await $`apt-get update -q --error-on=any`.nothrow()
      const installed =
        updated.exitCode === 0 && (await install(context, ['consul']).nothrow()).exitCode === 0
      await $`rm -f ${list}`
      if (!installed) throw new LabError(updated.stderr.trim().split('\n')[0] ?? 'not there')
    },
    `${host.name}: `,
  ).catch(async (error: unknown) => {
    if (mayMask) await $`rm ${unitPath}`
    throw error
  })
}

function files({ lab, host, secrets }: StepContext): RemoteFile[] {
  const servers = hostsOfRole(lab, 'consul')
  const others = servers.filter(({ name }) => name !== host.name).map(({ address }) => address)
  const secured = secrets === undefined ? {} : { secured: { certificate, key } }
  const values = {
    name: host.name,
    address: host.address,
    servers: servers.length,
    others: JSON.stringify(others),
    binary,
    config: configPath,
    user: 'consul',
    ...secured,
  }
  const pems = [
    { path: certificate, content: secrets?.certificate ?? '', mode: '0644' },
    { path: key, content: secrets?.key ?? '', mode: '0600' },
  ]
  return [
    ...(secrets === undefined ? [] : pems),
    { path: configPath, content: render(new URL('./templates/consul.json.hbs', import.meta.url), values) },
    {
      path: unitPath,
      content: render(new URL('./templates/consul.service.hbs', import.meta.url), values),
    },
  ]
}
