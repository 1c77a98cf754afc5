/**
 * The very script that hosts get, run by the shell, with a docker and a multihost that only say what they
 * were called with.
 */
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { controlRouted } from '../../../../driver/control/app.ts'
import { dialectRoutes } from '../../../../driver/dialect/control-routes.ts'
import { wrapperText } from '../../../../driver/dialect/docker-wrapper.ts'
import type { DriverCalls } from '../../../../driver/dialect/driver-calls.ts'
import { asScript } from '../../../../driver/dialect/translate.ts'
import { listenOn } from '../../../../driver/protocol/socket.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
const path = (name: string): string => join(folder, name)
const swarmState = path('lib/swarm/docker-state.json')
const marker = path('run/default-network')

beforeAll(() => {
  for (const name of ['run', 'lib/swarm', 'home/.docker']) mkdirSync(path(name), { recursive: true })
  script('docker', 'printf "docker\\0"; for word do printf "%s\\0" "$word"; done')
  // Its answer says what it was asked, then does what the test wants.
  script(
    'multihost',
    `printf "multihost\\0" > ${path('asked')}; for word do printf "%s\\0" "$word" >> ${path('asked')}; done
    printf "%s\n" "cat ${path('asked')}" "\${THEN-exit}"`,
  )
  const paths = { docker: path('docker'), multihost: path('multihost'), dockerFolder: path('lib') }
  script('wrapper', wrapperText({ ...paths, runFolder: path('run') }))
})
beforeEach(() => {
  writeFileSync(marker, 'multihost\n')
  rmSync(swarmState, { force: true })
  rmSync(path('home/.docker/config.json'), { force: true })
})

function script(name: string, body: string): void {
  writeFileSync(path(name), body.startsWith('#!') ? body : `#!/bin/sh\n${body}\n`)
  chmodSync(path(name), 0o755)
}

test('on a host that is a member of no cluster, everything is Docker’s own', () => {
  const paths = { docker: path('docker'), multihost: path('multihost'), dockerFolder: path('lib') }
  script('alone', wrapperText({ ...paths, runFolder: path('run/none') }))
  const { stdout } = spawnSync(path('alone'), ['network', 'ls'], { encoding: 'utf8' })
  expect(stdout.split('\0')).toEqual(['docker', 'network', 'ls', ''])
})

function called(words: readonly string[], environment: Record<string, string> = {}): string[] {
  const { stdout, status, stderr } = spawnSync(path('wrapper'), words, {
    env: { PATH: '/usr/bin:/bin', HOME: path('home'), ...environment },
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return stdout.split('\0').slice(0, -1)
}

/** Blanks inside a word are shown as ␣. */
const lines = (commands: string[], environment: Record<string, string> = {}): string =>
  commands
    .map((command) => {
      const words = called(
        command.split(' ').map((word) => word.replaceAll('␣', ' ')),
        environment,
      )
      return `${command.padEnd(70)} → ${words.map((word) => (word === '' ? "''" : word.replaceAll(' ', '␣'))).join(' ')}`
    })
    .join('\n')

describe('what is executed', () => {
  test('for commands that need no translation is docker itself', () => {
    const commands = [
      'ps -a',
      'version',
      '--version',
      '--help',
      '-D info',
      'exec -it web sh -c echo␣a␣␣b',
      'run --help',
      'run',
      'run -d',
      'run --frobnicate debian:13',
      'run -Z debian:13',
      'run --net=foobar debian:13',
      'run --net foobar debian:13',
      'run -it --network=host debian:13 bash',
      'run --rm --network foobar --network bridge debian:13',
      'create --net=container:web debian:13',
      'container run --network none debian:13',
      'container ls',
      'container',
      'network',
      'network prune -f',
      'network create foobar',
      'network create -d bridge foobar',
      'network create --driver=macvlan foobar',
      'network create foobar -d vxlan --ipam-driver=vxlan',
      'network create --ipam-driver vxlan --driver vxlan foobar',
      'network inspect foobar',
      'network connect foobar web',
      'compose up -d',
      'buildx build -t service .',
      'image ls --filter reference=run',
    ]
    expect(lines(commands)).toMatchInlineSnapshot(`
      "ps -a                                                                  → docker ps -a
      version                                                                → docker version
      --version                                                              → docker --version
      --help                                                                 → docker --help
      -D info                                                                → docker -D info
      exec -it web sh -c echo␣a␣␣b                                           → docker exec -it web sh -c echo␣a␣␣b
      run --help                                                             → docker run --help
      run                                                                    → docker run
      run -d                                                                 → docker run -d
      run --frobnicate debian:13                                             → docker run --frobnicate debian:13
      run -Z debian:13                                                       → docker run -Z debian:13
      run --net=foobar debian:13                                             → docker run --net=foobar debian:13
      run --net foobar debian:13                                             → docker run --net foobar debian:13
      run -it --network=host debian:13 bash                                  → docker run -it --network=host debian:13 bash
      run --rm --network foobar --network bridge debian:13                   → docker run --rm --network foobar --network bridge debian:13
      create --net=container:web debian:13                                   → docker create --net=container:web debian:13
      container run --network none debian:13                                 → docker container run --network none debian:13
      container ls                                                           → docker container ls
      container                                                              → docker container
      network                                                                → docker network
      network prune -f                                                       → docker network prune -f
      network create foobar                                                  → docker network create foobar
      network create -d bridge foobar                                        → docker network create -d bridge foobar
      network create --driver=macvlan foobar                                 → docker network create --driver=macvlan foobar
      network create foobar -d vxlan --ipam-driver=vxlan                     → docker network create foobar -d vxlan --ipam-driver=vxlan
      network create --ipam-driver vxlan --driver vxlan foobar               → docker network create --ipam-driver vxlan --driver vxlan foobar
      network inspect foobar                                                 → docker network inspect foobar
      network connect foobar web                                             → docker network connect foobar web
      compose up -d                                                          → docker compose up -d
      buildx build -t service .                                              → docker buildx build -t service .
      image ls --filter reference=run                                        → docker image ls --filter reference=run"
    `)
  })

  test('for a container without a network is docker with the default one, behind the command', () => {
    const commands = [
      'run debian:13',
      'run -it --rm debian:13 bash',
      'run -ti --rm debian:13 sh -c echo␣$HOME␣*␣"a␣␣b"',
      'run debian:13 curl --net x --publish-service=y',
      'run -- debian:13 --network x',
      'run --rm -- debian:13 --publish-service x',
      'run -e A=b --env C -p 80:80 -v /a:/b --name=web debian:13 bash',
      'run -itde A=b debian:13',
      'run -dp80:80 -eA=b -d=false debian:13',
      'run --rm=false --tty=true debian:13',
      'run --entrypoint --network debian:13',
      'run -e --net debian:13',
      'run --mount type=bind,source=/a,target=/b --ulimit nofile=1 debian:13',
      'create --name web debian:13',
      'container run -d debian:13',
      'container create debian:13',
      '-D run debian:13',
      '--log-level debug run debian:13',
      '-l debug --config /tmp/none run debian:13',
      '-H unix:///var/run/docker.sock run debian:13',
      '--host=unix:///var/run/docker.sock run debian:13',
      '--context default run debian:13',
    ]
    expect(lines(commands)).toMatchInlineSnapshot(`
      "run debian:13                                                          → docker run --network multihost debian:13
      run -it --rm debian:13 bash                                            → docker run --network multihost -it --rm debian:13 bash
      run -ti --rm debian:13 sh -c echo␣$HOME␣*␣"a␣␣b"                       → docker run --network multihost -ti --rm debian:13 sh -c echo␣$HOME␣*␣"a␣␣b"
      run debian:13 curl --net x --publish-service=y                         → docker run --network multihost debian:13 curl --net x --publish-service=y
      run -- debian:13 --network x                                           → docker run --network multihost -- debian:13 --network x
      run --rm -- debian:13 --publish-service x                              → docker run --network multihost --rm -- debian:13 --publish-service x
      run -e A=b --env C -p 80:80 -v /a:/b --name=web debian:13 bash         → docker run --network multihost -e A=b --env C -p 80:80 -v /a:/b --name=web debian:13 bash
      run -itde A=b debian:13                                                → docker run --network multihost -itde A=b debian:13
      run -dp80:80 -eA=b -d=false debian:13                                  → docker run --network multihost -dp80:80 -eA=b -d=false debian:13
      run --rm=false --tty=true debian:13                                    → docker run --network multihost --rm=false --tty=true debian:13
      run --entrypoint --network debian:13                                   → docker run --network multihost --entrypoint --network debian:13
      run -e --net debian:13                                                 → docker run --network multihost -e --net debian:13
      run --mount type=bind,source=/a,target=/b --ulimit nofile=1 debian:13  → docker run --network multihost --mount type=bind,source=/a,target=/b --ulimit nofile=1 debian:13
      create --name web debian:13                                            → docker create --network multihost --name web debian:13
      container run -d debian:13                                             → docker container run --network multihost -d debian:13
      container create debian:13                                             → docker container create --network multihost debian:13
      -D run debian:13                                                       → docker -D run --network multihost debian:13
      --log-level debug run debian:13                                        → docker --log-level debug run --network multihost debian:13
      -l debug --config /tmp/none run debian:13                              → multihost docker --script -l debug --config /tmp/none run debian:13
      -H unix:///var/run/docker.sock run debian:13                           → docker -H unix:///var/run/docker.sock run --network multihost debian:13
      --host=unix:///var/run/docker.sock run debian:13                       → docker --host=unix:///var/run/docker.sock run --network multihost debian:13
      --context default run debian:13                                        → docker --context default run --network multihost debian:13"
    `)
  })

  test('for the words of 2015, and for what may be an id of the cluster, is multihost', () => {
    const commands = [
      'service',
      'service ls -q',
      'service publish bar.foobar',
      'run -it --publish-service=bar.foobar.overlay debian:13 bash',
      'run --publish-service bar debian:13',
      'run --net foobar --publish-service=bar debian:13',
      'run --net=8805e22ad6e2 debian:13',
      'run --network 8805e22ad6e2 debian:13',
      'network ls --no-trunc',
      'network list',
      'network rm foobar',
      'network remove foobar',
      'network create -d overlay foobar',
      'network create --label a=b --driver=overlay foobar',
      'network create foobar --driver vxlan',
      'network create -dvxlan --label a=b foobar',
      'network create -d overlay --ipam-driver vxlan foobar',
      'network inspect 8805e22ad6e2',
      'network connect 8805e22ad6e2 web',
      'network disconnect -f 8805e22ad6e2 web',
      '-D network ls',
    ]
    expect(lines(commands)).toMatchInlineSnapshot(`
      "service                                                                → multihost docker --script service
      service ls -q                                                          → multihost docker --script service ls -q
      service publish bar.foobar                                             → multihost docker --script service publish bar.foobar
      run -it --publish-service=bar.foobar.overlay debian:13 bash            → multihost docker --script run -it --publish-service=bar.foobar.overlay debian:13 bash
      run --publish-service bar debian:13                                    → multihost docker --script run --publish-service bar debian:13
      run --net foobar --publish-service=bar debian:13                       → multihost docker --script run --net foobar --publish-service=bar debian:13
      run --net=8805e22ad6e2 debian:13                                       → multihost docker --script run --net=8805e22ad6e2 debian:13
      run --network 8805e22ad6e2 debian:13                                   → multihost docker --script run --network 8805e22ad6e2 debian:13
      network ls --no-trunc                                                  → multihost docker --script network ls --no-trunc
      network list                                                           → multihost docker --script network list
      network rm foobar                                                      → multihost docker --script network rm foobar
      network remove foobar                                                  → multihost docker --script network remove foobar
      network create -d overlay foobar                                       → multihost docker --script network create -d overlay foobar
      network create --label a=b --driver=overlay foobar                     → multihost docker --script network create --label a=b --driver=overlay foobar
      network create foobar --driver vxlan                                   → multihost docker --script network create foobar --driver vxlan
      network create -dvxlan --label a=b foobar                              → multihost docker --script network create -dvxlan --label a=b foobar
      network create -d overlay --ipam-driver vxlan foobar                   → multihost docker --script network create -d overlay --ipam-driver vxlan foobar
      network inspect 8805e22ad6e2                                           → multihost docker --script network inspect 8805e22ad6e2
      network connect 8805e22ad6e2 web                                       → multihost docker --script network connect 8805e22ad6e2 web
      network disconnect -f 8805e22ad6e2 web                                 → multihost docker --script network disconnect -f 8805e22ad6e2 web
      -D network ls                                                          → multihost docker --script -D network ls"
    `)
  })
})

describe('the wrapper steps aside', () => {
  const words = ['run', 'debian:13']
  test.each([
    ['a remote engine', { DOCKER_HOST: 'tcp://other:2375' }],
    ['another context', { DOCKER_CONTEXT: 'other' }],
    ['its own switch', { MULTIHOST_DIALECT: 'off' }],
  ])('for %s in the environment', (_, environment) => {
    expect(called(words, environment)).toEqual(['docker', ...words])
    expect(called(['service', 'ls'], environment)).toEqual(['docker', 'service', 'ls'])
  })

  test('for a remote engine or a context in the options', () => {
    const commands = [
      '-H tcp://other run debian:13',
      '-Htcp://other run debian:13',
      '--host tcp://other service ls',
      '--host=ssh://other service ls',
      '--context other network ls',
      '-c other network ls',
      '--context=other network rm foobar',
    ]
    for (const command of commands)
      expect(called(command.split(' '))).toEqual(['docker', ...command.split(' ')])
  })

  test('in swarm mode', () => {
    writeFileSync(swarmState, '{}')
    for (const command of ['run debian:13', 'service ls', 'network ls', 'network create -d overlay foobar']) {
      expect(called(command.split(' '))).toEqual(['docker', ...command.split(' ')])
    }
  })

  test('not for this host’s own engine in DOCKER_HOST', () => {
    const environment = { DOCKER_HOST: 'unix:///var/run/docker.sock', DOCKER_CONTEXT: 'default' }
    expect(called(words, environment)).toEqual(['docker', 'run', '--network', 'multihost', 'debian:13'])
  })
})

describe('a plain run', () => {
  test('is asked about while the default network is not there', () => {
    rmSync(marker)
    expect(called(['run', 'debian:13'])).toEqual(['multihost', 'docker', '--script', 'run', 'debian:13'])
  })

  test('is asked about when the user has chosen a context in a file', () => {
    writeFileSync(path('home/.docker/config.json'), '{\n  "auths": {},\n  "currentContext": "other"}')
    expect(called(['run', 'debian:13'])).toEqual(['multihost', 'docker', '--script', 'run', 'debian:13'])
    writeFileSync(path('home/.docker/config.json'), '{ "auths": {} }')
    expect(called(['run', 'debian:13'])).toEqual(['docker', 'run', '--network', 'multihost', 'debian:13'])
  })
})

describe('the answer', () => {
  const call = (then: string) =>
    spawnSync(path('wrapper'), ['service', 'x'], {
      env: { PATH: '/usr/bin:/bin', THEN: then },
      encoding: 'utf8',
    })

  test('is an exit code', () => {
    const { status, stdout } = call('exit 7')
    expect(status).toBe(7)
    expect(stdout.split('\0')).toEqual(['multihost', 'docker', '--script', 'service', 'x', ''])
  })

  test('prints, and calls docker with words that come through as they are', () => {
    const outcome = {
      out: ["it's", 'two\nlines'],
      err: ['a warning'],
      next: ['run', '--env', `A=it's $HOME "x"  *`, 'a\nb', ''],
    }
    const { stdout, stderr } = call(asScript(outcome))
    expect(stderr).toBe('a warning\n')
    expect(stdout).toContain("it's\ntwo\nlines\n")
    expect(stdout.split('lines\n')[1]?.split('\0').slice(0, -1)).toEqual(['docker', ...outcome.next])
  })

  test('comes from the driver where it can, and from multihost where the driver fails', async () => {
    let status: 200 | 500 = 200
    let words: string[] = []
    const unused = new Proxy({}, { get: () => unused }) as DriverCalls
    const routes = dialectRoutes(unused, async (asked) => {
      words = asked
      if (status === 500) throw new Error('a defect')
      return asScript({ out: ['from the driver'], err: [], next: 3 })
    })
    const driver = await listenOn(path('run/control.sock'), controlRouted(routes))
    const asked = ['service', 'it\'s & "more" = 1+1 %', '', '@/etc/passwd', 'ü\n']
    const run = () =>
      new Promise<{ code: number | string | null | undefined; stdout: string }>((resolve) => {
        execFile(
          path('wrapper'),
          asked,
          { env: { PATH: '/usr/bin:/bin', http_proxy: 'http://nowhere:1' } },
          (error, stdout) => resolve({ code: error?.code ?? 0, stdout }),
        )
      })
    try {
      expect(await run()).toEqual({ code: 3, stdout: 'from the driver\n' })
      expect(words).toEqual(asked)
      status = 500
      expect((await run()).stdout).toBe(['multihost', 'docker', '--script', ...asked, ''].join('\0'))
    } finally {
      await driver.close()
    }
  })
})

test('standard input and exit codes are docker’s own', () => {
  script('docker', 'cat; exit 3')
  const { stdout, status } = spawnSync(path('wrapper'), ['run', '-i', 'debian:13'], {
    env: { PATH: '/usr/bin:/bin' },
    input: 'a line',
    encoding: 'utf8',
  })
  expect([stdout, status]).toEqual(['a line', 3])
})
