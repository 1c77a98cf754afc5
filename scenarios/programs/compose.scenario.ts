/**
 * A `docker compose` project spread over two hosts: `up` and `down` twice on both.
 *
 *     npm run scenarios -- programs/compose
 */
import { afterAll, beforeAll, expect } from 'vitest'
import { atEnd } from '../kit/at-end.ts'
import { convergesWithinMs } from '../kit/converged.ts'
import type { Host } from '../kit/host.ts'
import { gone } from '../kit/network.ts'
import { labHosts, scenario } from '../kit/scenario.ts'
import { inTurn } from '../kit/together.ts'
import { installCompose, removeCompose } from './image.ts'

const file = '/root/shop.yaml'
const service = '{ image: "debian:13", init: true, command: sleep infinity, networks: [front] }'
const project = `name: shop
services:
  web: ${service}
  db: ${service}
networks:
  front: { driver: vxlan, ipam: { driver: vxlan } }
`

beforeAll(async () => {
  const { hostA, hostB } = await labHosts()
  await installCompose([hostA, hostB])
  for (const host of [hostA, hostB]) await host.succeed`printf %s ${project} > ${file}`
})
afterAll(async () => {
  const { hostA, hostB } = await labHosts()
  for (const host of [hostA, hostB]) await host.succeed`rm -f ${file}`
  await removeCompose([hostA, hostB])
})

const compose = (host: Host, words: string) =>
  host.succeed`sh -c ${`docker compose -f ${file} ${words} 2>&1`}`
const idOf = (host: Host, name: string) => host.succeed`docker inspect -f {{.Id}} ${`shop-${name}-1`}`
const reaches = (host: Host, from: string, to: string) =>
  host.within(convergesWithinMs).waitUntilSucceeds`docker exec ${`shop-${from}-1`} ping -c1 -W1 ${to}`

scenario(
  'a compose project has its services on two hosts: up and down, twice on both',
  { timeout: 300_000 },
  async ({ hostA, hostB }) => {
    await using _down = atEnd(() =>
      inTurn([hostA, hostB], (host) => host.run`sh -c ${`docker compose -f ${file} down -t 1`}`),
    )
    for (let round = 0; round < 2; round++) {
      await compose(hostA, 'up -d web')
      await hostB.waitUntilSucceeds`docker network inspect shop_front > /dev/null`
      await compose(hostB, 'up -d db')
      const [web, db] = [await idOf(hostA, 'web'), await idOf(hostB, 'db')]
      await reaches(hostA, 'web', 'db')
      await reaches(hostB, 'db', 'web')
      // What is up already is left as it is.
      await compose(hostA, 'up -d web')
      await compose(hostB, 'up -d db')
      expect([await idOf(hostA, 'web'), await idOf(hostB, 'db')]).toEqual([web, db])

      await compose(hostA, 'down -t 1')
      await hostB.succeed`docker exec shop-db-1 ip link show eth0`
      await compose(hostB, 'down -t 1')
      await gone(hostA, 'shop_front')
      await gone(hostB, 'shop_front')
    }
  },
)
