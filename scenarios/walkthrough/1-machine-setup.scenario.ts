/**
 * Machine setup: three hosts that reach each other, and a shell on the first.
 */
import { expect } from 'vitest'
import { section } from './page/section.ts'

const heading = section('Machine setup')

heading('Start them', async ({ at, you, backend, consulServer, net1, net2 }) => {
  if (backend === 'nspawn') await at(you).types`npm run lab -- status`
  if (backend === 'vagrant') await at(you).types`vagrant status`
  const all = [consulServer, net1, net2]
  for (const host of all) {
    expect(await host.succeed`uname -n`).toBe(host.name)
    expect(await host.succeed`ip -br -4 address show to ${host.address}`).toMatch(/ UP /)
    for (const other of all) await host.waitUntilSucceeds`ping -c1 -W1 ${other.name}`
  }
})

heading('Log in', async ({ at, you, backend }) => {
  if (backend !== 'nspawn') return
  const shell = await at(you).enters`npm run lab -- ssh net-1`
  expect(await shell.types`uname -n`).toBe('net-1\n')
  await shell.types`exit`
})
