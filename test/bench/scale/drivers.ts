/**
 * What a real driver needs whose one network has so many endpoints elsewhere: the worst that M endpoints can
 * be.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { median } from '../../../scenarios/report/statistics.ts'
import type { TestConsul } from '../../fixtures/consul.ts'
import { namespaces } from '../../fixtures/namespaces.ts'
import type { calls } from './driver.ts'
import { startRemote } from './remote.ts'
import { changeProbe, openWriters } from './writers.ts'

export interface DriverPoint {
  endpoints: number
  /** Until Docker's calls are answered and the network is in the engine. */
  startMs: number
  /** The first container on the network: all endpoints are written to the kernel. */
  firstRunMs: number
  /** Another one. */
  furtherRunMs: number
  /** Stopped, started, and a container has been run. */
  restartMs: number
  residentBytes: number
  /** From a commit elsewhere until this host's kernel has it. */
  programmedMs: number
  bytesPerChange: number
  /** With the commands that it runs; what it takes at rest is taken off. */
  cpuMsPerChange: number
  /** Of one processor, while nothing changes. */
  restCpuShare: number
}

const restMs = 6000

export async function measureDriver(options: {
  endpoints: number
  changes: number
  consul: TestConsul
  program: string
  folder: string
  /** Namespaces that the caller removes: a signal does not unwind this function. */
  made: Disposable[]
}): Promise<DriverPoint> {
  const { endpoints, changes, consul, program, folder } = options
  const prefix = `scale-driver-${endpoints}`
  await using writers = await openWriters({ url: consul.url, prefix }, { hosts: 10, endpoints, networks: 1 })
  const [own, lab] = [namespaces(), namespaces()]
  options.made.push(own, lab)
  const hostNamespace = lab.add('host')
  lab.ip(
    hostNamespace,
    'link add eth1 type veth peer name port1\nlink set port1 up\naddress add 192.168.31.1/16 dev eth1\nlink set eth1 up',
  )
  await using driver = await startRemote<typeof calls>(program)
  const diskPath = join(folder, prefix, 'snapshot')
  const place = { url: consul.url, prefix, diskPath, hostNamespace, namespaceFolder: own.folder }
  const startMs = await driver.call('start', place)
  const firstRunMs = await driver.call('run', 'first')
  const furtherRunMs = await driver.call('run', 'further')
  const restartMs = await driver.call('restart', 'again')
  const [idle, resting] = [await driver.call('usage'), performance.now()]
  await delay(restMs)
  const rested = await driver.call('usage')
  const restCpuShare = (rested.cpuMs - idle.cpuMs) / (performance.now() - resting)
  const before = await driver.call('applied')
  const times: number[] = []
  const began = performance.now()
  for (let i = 0; i < changes; i++) {
    const programmed = driver.call('programmed', before + i + 1)
    const at = performance.timeOrigin + performance.now()
    await changeProbe(writers.stores[0], 0, `driver-${i}`)
    times.push((await programmed) - at)
  }
  const used = await driver.call('usage')
  const restingCpuMs = restCpuShare * (performance.now() - began)
  await driver.call('close')
  await consul.delete(`${prefix}/`, true)
  return {
    ...{ endpoints, startMs, firstRunMs, furtherRunMs, restartMs, restCpuShare },
    residentBytes: used.residentBytes,
    programmedMs: median(times),
    bytesPerChange: (used.received - rested.received) / changes,
    cpuMsPerChange: Math.max(0, used.cpuMs - rested.cpuMs - restingCpuMs) / changes,
  }
}
