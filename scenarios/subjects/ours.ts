/**
 * Our own driver as a subject. The lab's own steps install it.
 */
import { datapathKinds } from '../../driver/core/records.ts'
import { unknown } from '../../provision/process/errors.ts'
import { timeoutScale } from '../../provision/process/timeout-scale.ts'
import type { Subject } from '../kit/subject.ts'
import { ownDriver } from '../record/events.ts'

/** As `multihost` asks, without the time that a Node process takes to start. */
const ask = (seconds: number, path: string): string =>
  `curl -sf --max-time ${seconds * timeoutScale} --unix-socket /run/multihost/control.sock http://localhost/${path}`
/** As `docker version` asks; a scenario that kills often asks often. */
const dockerAnswers = `curl -sf --max-time ${5 * timeoutScale} --unix-socket /var/run/docker.sock http://localhost/_ping > /dev/null`
const check = ask(20, `check?within=${5 * timeoutScale}`)

/** `datapath`: the kind of all networks; `bridge` when it is not given. Throws a LabError for an unknown kind. */
export function ours(datapath?: string): Subject {
  const create = ['-d', ownDriver, '--ipam-driver', ownDriver]
  const subject: Subject = {
    name: ownDriver,
    role: 'docker',
    mustPass: true,
    steps: [],
    create,
    spreads: 'by itself',
    unit: 'multihost',
    answers: `${dockerAnswers} && ${ask(5, 'status')} > /dev/null`,
    settled: 'multihost status --json | jq -e ".store.fresh and (.problems | length == 0)"',
    // The driver compares Consul, the kernel and Docker, and waits for its loops (docs/faults.md, Check).
    check: `answer=$(${check}) && printf %s "$answer" | jq -r '.unknown[], .differences[].sentence'`,
    evidence: {
      'driver log': 'journalctl -u multihost --no-pager -n 300 -o short-precise',
      'driver status': 'multihost status',
    },
    inSnapshot: ownDriver,
    lacks: {},
  }
  if (datapath === undefined) return subject
  const kind = datapathKinds.find((each) => each === datapath)
  if (kind === undefined) throw unknown('datapath', datapath, [...datapathKinds])
  return { ...subject, create: [...create, '-o', `datapath=${kind}`], datapath: kind }
}
