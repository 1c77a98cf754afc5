#!/usr/bin/env node
/**
 * A Docker network driver that is as small as can be: a namespace with a bridge per network, a veth per
 * container.
 *
 * Containers on one host reach each other; nothing crosses to another host, and the engine's own IPAM hands
 * out the same addresses on every host. It keeps no state: the names of all devices follow from Docker's ids.
 * The protocol is Docker's for remote drivers: POST with JSON over a unix socket (moby,
 * libnetwork/docs/remote.md).
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname } from 'node:path'

const name = process.env.PLUGIN_NAME ?? 'minimal-driver'
const socket = process.env.PLUGIN_SOCKET ?? `/run/docker/plugins/${name}.sock`

/** Each argument is a command of `ip`, in words. */
const ip = (...commands) => {
  for (const command of commands)
    execFileSync('ip', command.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] })
}

const namespaceOf = (networkId) => `minimal-${networkId.slice(0, 12)}`
const exists = (namespace) => existsSync(`/run/netns/${namespace}`)
const outside = (endpointId) => `mo${endpointId.slice(0, 12)}`
const inside = (endpointId) => `mi${endpointId.slice(0, 12)}`

const methods = {
  'Plugin.Activate': () => ({ Implements: ['NetworkDriver'] }),

  'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local' }),

  'NetworkDriver.CreateNetwork': () => ({}), // the first Join makes the namespace: a host that was off has none

  'NetworkDriver.DeleteNetwork': ({ NetworkID }) => {
    if (exists(namespaceOf(NetworkID))) ip(`netns del ${namespaceOf(NetworkID)}`)
  },

  'NetworkDriver.CreateEndpoint': () => ({ Interface: {} }), // address and MAC are as the engine chose them

  'NetworkDriver.DeleteEndpoint': () => ({}),

  'NetworkDriver.EndpointOperInfo': () => ({ Value: {} }),

  'NetworkDriver.Join': ({ NetworkID, EndpointID }) => {
    const [namespace, ours, theirs] = [namespaceOf(NetworkID), outside(EndpointID), inside(EndpointID)]
    if (!exists(namespace)) {
      ip(
        `netns add ${namespace}`,
        `-n ${namespace} link add name br0 type bridge`,
        `-n ${namespace} link set br0 up`,
      )
    }
    ip(
      `link add name ${ours} type veth peer name ${theirs}`,
      `link set ${ours} netns ${namespace}`,
      `-n ${namespace} link set ${ours} master br0 up`,
    )
    // Without a gateway the engine adds docker_gwbridge: the way out, and published ports.
    return { InterfaceName: { SrcName: theirs, DstPrefix: 'eth' } }
  },

  // The container's end may have gone with its namespace, and ours with it.
  'NetworkDriver.Leave': ({ NetworkID, EndpointID }) => {
    try {
      ip(`-n ${namespaceOf(NetworkID)} link del ${outside(EndpointID)}`)
    } catch {
      return {}
    }
  },

  'NetworkDriver.ProgramExternalConnectivity': () => ({}),
  'NetworkDriver.RevokeExternalConnectivity': () => ({}),
  'NetworkDriver.DiscoverNew': () => ({}),
  'NetworkDriver.DiscoverDelete': () => ({}),
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const method = request.url.slice(1)
  const answer = (status, value) => response.writeHead(status).end(JSON.stringify(value))
  if (!Object.hasOwn(methods, method)) return answer(404, { Err: `${name} has no ${method}` })
  try {
    answer(200, methods[method](JSON.parse(body || '{}')) ?? {})
  } catch (error) {
    console.error(method, body, error)
    answer(500, { Err: String(error.stderr ?? error) })
  }
})

mkdirSync(dirname(socket), { recursive: true })
rmSync(socket, { force: true })
server.listen(socket, () => console.log(`${name} listens on ${socket}`))
