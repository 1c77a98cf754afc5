/**
 * The box's provisioning, called by Packer: the steps of the lab that name no host, over ssh on the machine in the
 * making, which BOX_HOST, BOX_PORT, BOX_USER and BOX_KEY say how to reach.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { defaultLab, type LabHost } from '../lab/definition.ts'
import { LabError } from '../process/errors.ts'
import { exitWith } from '../process/exit.ts'
import { connect } from '../ssh/connection.ts'
import { boxSteps } from '../steps/procedure.ts'
import { take } from '../steps/step.ts'

const box: LabHost = { name: 'box', address: '127.0.0.1', role: 'docker' }

async function main(): Promise<number> {
  await using connection = await connect({
    name: box.name,
    at: { host: given('BOX_HOST'), port: Number(given('BOX_PORT')) },
    user: given('BOX_USER'),
    privateKey: readFileSync(given('BOX_KEY').replace(/^~/, homedir()), 'utf8'),
    // Its key is new with every build, and goes with it; Packer too takes what answers on its own forwarded port.
    pinned: { hostKeys: [], in: 'Packer' },
    remember: () => undefined,
    timeoutMs: 60_000,
  })
  for (const step of boxSteps) {
    const start = performance.now()
    const did = await take(step, {
      lab: defaultLab(),
      host: box,
      connection,
      engine: process.env.MULTIHOST_ENGINE || undefined,
    })
    console.log(
      `${step.title}: ${did ? 'changed' : 'ok'} (${((performance.now() - start) / 1000).toFixed(1)} s)`,
    )
  }
  return 0
}

function given(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new LabError(`${name} is not set`, { hint: 'provision/packer/lab.pkr.hcl calls this script' })
}

exitWith(main())
