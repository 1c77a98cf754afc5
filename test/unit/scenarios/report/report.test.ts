import { expect, test } from 'vitest'
import { headingsOf } from '../../../../scenarios/report/headings.ts'
import { drawLab } from '../../../../scenarios/report/html/lab-drawing.ts'
import { renderReport } from '../../../../scenarios/report/html/report.ts'
import { junit } from '../../../../scenarios/report/junit.ts'
import { labViewOf } from '../../../../scenarios/report/lab-view.ts'
import { reportOf } from '../../../../scenarios/report/model.ts'
import { phasesOf } from '../../../../scenarios/report/time.ts'
import { events, snapshot } from '../../../fixtures/events.sample.ts'

const report = reportOf(events, (file) => `what ${file} says`)
const scenarios = report.groups.flatMap((group) => group.scenarios)
const html = renderReport(report, { headings: headingsOf('# Page\n\n## Start\n```sh\nx\n```\n'), style: '' })

test('the tries of a wait are one step, under the name of the container', () => {
  expect(
    scenarios[0]?.steps.map(({ container, command, wait }) => [container, command, wait?.tries]),
  ).toEqual([
    [undefined, 'docker run -d --name two debian:13', undefined],
    ['two', 'ping -c1 one', 2],
  ])
})

test('a drawing that equals an earlier one is not drawn again', () => {
  expect(scenarios[0]?.lab).toBeDefined()
  expect(scenarios[1]?.sameAs).toBe(scenarios[0]?.id)
})

test('the phases add up to the whole', () => {
  const run = report.run
  expect(run && phasesOf(run, scenarios).reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(7_000)
})

test('a further lab is a phase of its own, and takes nothing from the first one', () => {
  const { run } = report
  if (!run?.replay) throw new Error('the sample has a lab that was up')
  const boot = { title: 'hosts / net-1 / boot', atMs: 4_500, ms: 700 }
  const before = phasesOf(run, scenarios)
  const after = phasesOf({ ...run, timings: [...run.timings, boot] }, scenarios)
  const msOf = (phases: typeof after, name: string) => phases.find((each) => each.name === name)?.ms
  expect(msOf(after, 'a further lab')).toBe(700)
  for (const name of ['boot', 'provisioning']) expect(msOf(after, name)).toBe(msOf(before, name))
  expect(after.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(7_000)
})

test('of several snapshots of a scenario, which went on after an undo, the last one is drawn', () => {
  const at = events.findIndex(({ kind }) => kind === 'snapshot')
  const last = events[at]
  if (last?.kind !== 'snapshot') throw new Error('the sample has a snapshot')
  const sooner = { ...last, at: last.at - 100, snapshot: { ...snapshot, hosts: [] } }
  const scenarios = reportOf(events.toSpliced(at, 0, sooner), () => '').groups.flatMap(
    (each) => each.scenarios,
  )
  expect(scenarios[0]?.lab).toEqual(labViewOf(snapshot))
})

test('a snapshot without differences has no problems', () => {
  expect(labViewOf(snapshot).problems).toEqual([])
})

test('every kind of difference has its sentence', () => {
  const changed = structuredClone(snapshot)
  const [first, second] = changed.hosts
  const tunnel = first?.tunnels[0]
  if (!first || !second || !tunnel) throw new Error('the sample has two hosts with a tunnel')
  tunnel.fdb = [{ mac: '02:42:0a:09:00:09', dst: '192.168.33.12' }]
  tunnel.neighbours = []
  tunnel.vni = 300
  tunnel.local = '10.0.2.15'
  second.interfaces = { '02:42:0a:09:00:03': ['10.9.0.4'] }
  for (const each of second.tunnels) each.ports = []
  second.tunnels.push({ ...tunnel, namespace: 'lost' })
  expect(labViewOf(changed).problems.join('\n')).toMatchInlineSnapshot(`
    "net-1: the VNI of blue is 300 in the kernel, 256 in the store
    net-1: the VTEP of blue is 10.0.2.15 in the kernel, 192.168.33.11 in the store
    net-1: no FDB entry 02:42:0a:09:00:03 → 192.168.33.12 for two
    net-1: no neighbour entry 10.9.0.3 → 02:42:0a:09:00:03 for two
    net-1: FDB entry 02:42:0a:09:00:09 → 192.168.33.12 on blue, where the store has no endpoint
    net-2: two has 10.9.0.4 in the kernel, 10.9.0.3 in the store
    net-2: two has no port vetheeeeeeee on the bridge
    net-2: namespace lost with VNI 300 belongs to no network in Docker"
  `)
})

test('a container that is only in the store, or only in Docker, is drawn as such', () => {
  const without = structuredClone(snapshot)
  for (const host of without.hosts) host.containers = []
  expect(labViewOf(without).networks[0]?.onHosts[1]?.containers[0]?.state).toBe('only in the store')
  const unknown = structuredClone(snapshot)
  if (unknown.store) unknown.store.endpoints = []
  expect(labViewOf(unknown).networks[0]?.onHosts[1]?.containers[0]?.state).toBe('only in Docker')
})

test('a host that did not answer is shown as silent, and nothing is said against it', () => {
  const silent = structuredClone(snapshot)
  silent.hosts[1] = {
    name: 'net-2',
    address: '192.168.33.12',
    silent: 'lost',
    containers: [],
    networks: [],
    tunnels: [],
    interfaces: {},
  }
  expect(labViewOf(silent).problems).toEqual([])
  expect(labViewOf(silent).hosts[1]?.silent).toBe('lost')
})

test('what a name or an output says is text on the page, never markup', () => {
  expect(html).not.toMatch(/<script|<img/)
  expect(html).toContain('&lt;script&gt;alert(2)&lt;/script&gt;')
})

test('what failed stands on top, with its message, its place on the page, and the evidence', () => {
  expect(report.headline).toBe('1 of 2 scenarios failed')
  const top = html.slice(0, html.indexOf('Where the time went'))
  for (const words of [
    'exit code 3',
    'traffic.scenario.ts:42',
    'walkthrough.md:4',
    'Start',
    'what evidence/a/net-1-driver-log.txt says',
  ])
    expect(top).toContain(words)
})

test('nothing on the page comes from anywhere else', () => {
  expect(html).not.toMatch(/(src|href)="(https?:)?\/\//)
  expect(html).not.toContain('@import')
})

test('a lab that did not come up has a page and a failing JUnit', () => {
  const [run] = events.filter((event) => event.kind === 'run')
  if (!run) throw new Error('the sample has a run')
  const { replay: _, ...rest } = run
  const lost = [{ ...rest, code: 2, message: 'no mirror' }]
  expect(reportOf(lost, () => '').headline).toBe('The lab did not come up')
  expect(junit(lost, 'report')).toContain('errors="1"')
})

test('JUnit has file, line, message, a frame and the attachment', () => {
  expect(junit(events, 'report')).toMatchInlineSnapshot(`
    "<?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="scenarios" tests="2" failures="1" errors="0" skipped="0" time="0.700">
      <testsuite name="scenarios/overlay/traffic.scenario.ts" timestamp="1970-01-01T00:00:10.000Z" tests="2" failures="1" errors="0" skipped="0" time="0.700">
        <testcase classname="scenarios/overlay/traffic.scenario.ts" name="they reach each other" file="scenarios/overlay/traffic.scenario.ts" time="0.500"/>
        <testcase classname="scenarios/overlay/traffic.scenario.ts" name="a &lt;script&gt;alert(1)&lt;/script&gt; is text" file="scenarios/overlay/traffic.scenario.ts" line="42" time="0.200">
          <failure message="net-1: \`x\` should succeed">net-1: \`x\` should succeed
      exit code 3
    at scenarios.overlay(traffic.scenario.ts:42)</failure>
          <system-out>[[ATTACHMENT|report/index.html]]
    evidence:
    report/evidence/a/net-1-driver-log.txt</system-out>
        </testcase>
      </testsuite>
    </testsuites>
    "
  `)
})

test('four hosts on a network are drawn as a full mesh: lines between neighbours, arcs between others', () => {
  const [first] = snapshot.hosts
  if (!first) throw new Error('the sample has a host')
  const hosts = [1, 2, 3, 4].map((i) => ({ ...first, name: `net-${i}`, address: `192.168.33.1${i}` }))
  const drawn = drawLab(labViewOf({ hosts })).markup
  const [wide = '', narrow = ''] = drawn.split('class="narrow"')
  expect(wide.match(/<line class="tunnel/g)).toHaveLength(3)
  expect(wide.match(/<path class="tunnel/g)).toHaveLength(3)
  expect(narrow.match(/<path class="tunnel/g)).toHaveLength(3)
})
