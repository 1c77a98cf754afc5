import { expect, test } from 'vitest'
import { assigned } from '../../../../provision/steps/unit-file.ts'

const unit = `# /usr/lib/systemd/system/docker.service
[Service]
EnvironmentFile=-/etc/default/docker
# ExecStart=/usr/bin/other
ExecStart=/usr/sbin/dockerd -H fd:// \\
    # a comment
    --containerd=/run/containerd/containerd.sock \\
    $DOCKER_OPTS

# /etc/systemd/system/docker.service.d/override.conf
[Service]
ExecStart =
ExecStart = /usr/sbin/dockerd

# /etc/systemd/system/docker.service.d/zz-multihost-docker.conf
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd $DOCKER_OPTS
`

test('the command that counts is that of the last drop-in', () => {
  expect(assigned(unit, 'ExecStart')).toEqual(['/usr/sbin/dockerd $DOCKER_OPTS'])
})

test('the drop-ins of the steps are left out', () => {
  const ours = '/etc/systemd/system/docker.service.d/zz-multihost-docker.conf'
  expect(assigned(unit, 'ExecStart', [ours])).toEqual(['/usr/sbin/dockerd'])
  expect(assigned(unit, 'EnvironmentFile', [ours])).toEqual(['-/etc/default/docker'])
})

test('a command on several lines is one, without the comments between them', () => {
  const alone = unit.slice(0, unit.indexOf('# /etc'))
  expect(assigned(alone, 'ExecStart')).toEqual([
    '/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS',
  ])
})
