import { readFileSync } from 'node:fs'
import { debianPackages } from 'multihost/debian-packages'
import { program } from 'multihost/kit/subject'
import { type StepContext, succeeds } from 'multihost/step'

const etcd = {
  title: 'etcd',
  holds: (on: StepContext) => succeeds(on, 'systemctl -q is-active etcd'),
  async apply({ $, upload, lab, host }: StepContext) {
    const root = await debianPackages('etcd-server', 'etcd-client')
    for (const file of ['/usr/bin/etcd', '/usr/bin/etcdctl'])
      await upload(file, readFileSync(root + file), '0755')
    const url = (address: string) => `http://${address}:2380`
    const cluster = lab.hosts.map(({ name, address }) => `${name}=${url(address)}`).join(',')
    const peer = `--listen-peer-urls ${url(host.address)} --initial-advertise-peer-urls ${url(host.address)}`
    const run = `/usr/bin/etcd --name ${host.name} --data-dir /var/lib/etcd --initial-cluster ${cluster} ${peer}`
    const service = `[Service]\nType=notify\nRestart=always\nExecStart=${run}\n`
    await upload('/etc/systemd/system/etcd.service', `${service}[Install]\nWantedBy=multi-user.target\n`)
    await $`systemctl -q enable --now etcd`
  },
}
const evidence = { 'etcd log': 'journalctl -u etcd -n 300 --no-pager' }
const answers = 'etcdctl endpoint health'
export default program({ name: 'etcd', role: 'bare', steps: [etcd], unit: 'etcd', answers, evidence })
