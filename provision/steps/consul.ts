/**
 * Consul as a server on the consul host, with its UI, on loopback and the lab's network only.
 *
 * The package is HashiCorp's where their repository answers, else the last that Debian had (1.8.7, Debian 11).
 */

import { useRelease } from './release.ts'
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
  title: 'consul',
  holds: (context) => succeeds(context, `[ -x ${binary} ]`),
  async apply(context) {
    const { $ } = context
    if (!(await useHashicorp(context)))
      await useRelease(context, { release: 'bullseye', packages: ['consul'] })
    await $`DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends consul`
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
    await $`chown -R consul: /etc/consul.d; systemctl daemon-reload; systemctl -q enable consul; systemctl restart consul`
    await until(context, leader, 'Consul has no leader')
  },
}

/** True when HashiCorp's repository is a source of the host's apt now. One suite serves all releases of Debian. */
async function useHashicorp({ $ }: StepContext): Promise<boolean> {
  const [site, key] = ['https://apt.releases.hashicorp.com', '/usr/share/keyrings/hashicorp.asc']
  if ((await $`curl -fsS --max-time 10 -o ${key} ${site}/gpg`.nothrow()).exitCode !== 0) return false
  await $`echo ${`deb [signed-by=${key}] ${site} bookworm main`} > /etc/apt/sources.list.d/hashicorp.list`
  await $`apt-get update -q`
  return true
}

function files({ host, secrets }: StepContext): RemoteFile[] {
  const secured = secrets === undefined ? {} : { secured: { certificate, key } }
  const values = {
    name: host.name,
    address: host.address,
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
