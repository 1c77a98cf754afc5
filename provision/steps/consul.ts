/**
 * Consul as a server on the consul host, with its UI, on loopback and the lab's network only.
 */
import { LabError } from '../errors.ts'
import { render } from '../template.ts'
import {
  filesHold,
  type RemoteFile,
  type Step,
  type StepContext,
  succeeds,
  until,
  writeFiles,
} from './step.ts'

const configPath = '/etc/consul.d/multihost.json'
const binary = '/usr/bin/consul'
const leader = `curl -sf --max-time 1 http://127.0.0.1:8500/v1/status/leader | grep -q :`

export const consul: Step = {
  title: 'consul server',
  async holds(context) {
    return (
      (await filesHold(context, files(context))) &&
      succeeds(context, `systemctl -q is-active consul && ${leader}`)
    )
  },
  async apply(context) {
    const { $, host } = context
    if (!(await succeeds(context, `[ -x ${binary} ]`))) {
      throw new LabError(`${host.name} has no ${binary}`, {
        hint: 'install the package "consul" on it, or use a box that has it',
      })
    }
    await $`id -u consul > /dev/null 2>&1 || useradd --system --home-dir /var/lib/consul --shell /usr/sbin/nologin consul`
    await writeFiles(context, files(context))
    await $`chown -R consul: /etc/consul.d; systemctl daemon-reload; systemctl -q enable consul; systemctl restart consul`
    await until(context, leader, 'Consul has no leader')
  },
}

function files({ host }: StepContext): RemoteFile[] {
  const values = { name: host.name, address: host.address, binary, config: configPath, user: 'consul' }
  return [
    { path: configPath, content: render(new URL('../templates/consul.json.hbs', import.meta.url), values) },
    {
      path: '/etc/systemd/system/consul.service',
      content: render(new URL('../templates/consul.service.hbs', import.meta.url), values),
    },
  ]
}
