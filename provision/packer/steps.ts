/**
 * Provisions the box; Packer runs this script. It takes the steps that name no host, over ssh, on the machine
 * that BOX_HOST, BOX_PORT, BOX_USER and BOX_KEY describe.
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
    // Every build has a new host key. Packer too accepts any key on the port that it forwards.
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
      programs: {},
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
