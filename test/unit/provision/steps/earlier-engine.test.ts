import { expect, test } from 'vitest'
import { engineFiles, giveEngineBack, keepEngine } from '../../../../provision/steps/earlier-engine.ts'
import { contextOn } from '../../../../provision/steps/step.ts'
import { fakeHost } from '../../../fixtures/fake-host.ts'

const options = '/etc/default/docker'
const block = '# multihost: begin\nDOCKER_OPTS="--dns=169.254.255.53"\n# multihost: end\n'
const folder = '/var/lib/multihost-lab/earlier-engine'

/** Its units have the process ids of `pids`; those with one are active, and docker alone is enabled. */
function machine(pids: Record<string, number>) {
  const host = fakeHost()
  const process = (changed: Record<string, number> = {}) => {
    const cases = Object.entries({ ...pids, ...changed }).map(([unit, pid]) => `${unit}) pid=${pid};;`)
    host.program(
      'systemctl',
      [
        `pid=0; case \${!#} in ${cases.join(' ')} esac`,
        `case $* in *show*) echo $pid;; *is-active*) [ $pid != 0 ];; *is-enabled*) [ \${!#} = docker ];; esac`,
      ].join('\n'),
    )
  }
  process()
  return { host, context: contextOn(host.target), process }
}

test('files of ours go again, a person’s options come back, and units that were started anew are started as before', async () => {
  const { host, context, process } = machine({ docker: 7, containerd: 8, 'docker.socket': 1 })
  host.put(options, 'DOCKER_OPTS="--debug"\n')
  host.put(engineFiles.beforeStart, 'of an earlier version\n')
  await keepEngine(context)
  host.put(options, `DOCKER_OPTS="--debug"\n${block}`)
  await keepEngine(context)
  for (const path of Object.values(engineFiles)) host.put(path, 'new\n')
  process({ docker: 9, multihost: 10 })
  await giveEngineBack(context)
  expect(host.text(options)).toBe('DOCKER_OPTS="--debug"\n')
  const left = Object.values(engineFiles).filter((path) => host.text(path) !== undefined)
  expect(left).toEqual([engineFiles.beforeStart])
  expect(host.text(engineFiles.beforeStart)).toBe('of an earlier version\n')
  expect(host.text(`${folder}/active`)).toBeUndefined()
  expect(host.calls().filter((call) => /stop|start|reload|disable/.test(call))).toEqual([
    'systemctl -q --no-reload disable multihost',
    'systemctl daemon-reload',
    'systemctl stop docker',
    'systemctl stop multihost',
    'systemctl start docker containerd docker.socket',
  ])
})

test('a host without an options file has none again', async () => {
  const { host, context } = machine({})
  await keepEngine(context)
  host.put(options, block)
  await giveEngineBack(context)
  expect(host.text(options)).toBeUndefined()
})

test('a file that a person edits after a run was killed is not replaced, and is what the next run keeps', async () => {
  const { host, context } = machine({ docker: 7 })
  host.put(options, '# old\n')
  await keepEngine(context)
  host.put(options, `# new\n${block}`)
  await giveEngineBack(context)
  expect(host.text(options)).toBe(`# new\n${block}`)
  await keepEngine(context)
  expect(host.text(`${folder}/active`)).toBe('docker\n')
  host.put(options, `# new\n${block.replace('53', '54')}`)
  await giveEngineBack(context)
  expect(host.text(options)).toBe(`# new\n${block}`)
})

test('without a change there is nothing to give back', async () => {
  const { host, context } = machine({ docker: 7 })
  host.put(options, '# mine\n')
  await giveEngineBack(context)
  expect(host.text(options)).toBe('# mine\n')
  expect(host.calls()).toEqual([''])
})
