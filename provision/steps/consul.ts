/**
 * Consul as a server on each consul host, with its UI, on loopback and the lab's network only. Several
 * servers elect a leader among them.
 */
import { readFileSync } from 'node:fs'
import { consulSources, firstOf } from '../images/consul-sources.ts'
import { debianSite, indexTargets } from '../images/pins.ts'
import { hostsOfRole } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
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

const configPath = '/etc/consul.d/multihost.json'
const binary = '/usr/bin/consul'
const [certificate, key] = ['/etc/consul.d/consul.pem', '/etc/consul.d/consul.key']
const leader = `curl -sf --max-time 1 http://127.0.0.1:8500/v1/status/leader | grep -q :`

export const consulPackage: Step = {
  title: 'consul: its program',
  holds: async (context) =>
    (await filesHold(context, program(context))) && succeeds(context, `[ -x ${binary} ]`),
  async apply(context) {
    const files = program(context)
    if (files.length === 0) return installPackage(context)
    await writeFiles(context, files)
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
    await $`chown -R consul: /etc/consul.d; systemctl -q --no-reload enable consul; systemctl daemon-reload; systemctl restart consul`
    await until(context, leader, 'Consul has no leader')
  },
}

/** The program of --consul-from. */
function program({ programs }: StepContext): RemoteFile[] {
  if (programs.consul === undefined) return []
  return [{ path: binary, content: readFileSync(programs.consul), mode: '0755' }]
}

async function installPackage(context: StepContext): Promise<void> {
  const { $, host } = context
  const mirror = debianSite((await $`apt-get ${indexTargets}`).stdout) ?? publicMirror
  const list = '/etc/apt/sources.list.d/consul.list'
  await firstOf(
    consulSources(mirror),
    async ({ site, suite, key }) => {
      const keyring = '/usr/share/keyrings/consul.asc'
      if (key) await $`curl -fsS --max-time 10 -o ${keyring} ${key}`
      const options = `[check-valid-until=no${key ? ` signed-by=${keyring}` : ''}]`
      await $`echo ${`deb ${options} ${site} ${suite} main`} > ${list}`
      const updated = await $`apt-get update -q --error-on=any`.nothrow()
      const installed =
        updated.exitCode === 0 &&
        (await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends consul`.nothrow())
          .exitCode === 0
      await $`rm -f ${list}`
      if (!installed) throw new LabError(updated.stderr.trim().split('\n')[0] ?? 'not there')
    },
    `${host.name}: `,
  )
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
      path: '/etc/systemd/system/consul.service',
      content: render(new URL('./templates/consul.service.hbs', import.meta.url), values),
    },
  ]
}
