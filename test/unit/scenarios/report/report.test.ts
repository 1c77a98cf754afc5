import { expect, test } from 'vitest'
import { junit } from '../../../../scenarios/report/junit.ts'
import { pageOf } from '../../../../scenarios/report/model.ts'
import { renderPage } from '../../../../scenarios/report/page/page.ts'
import { survey } from '../../../../scenarios/report/survey.ts'
import { phasesOf } from '../../../../scenarios/report/time.ts'
import { headingsOf } from '../../../../scenarios/report/walkthrough.ts'
import { events, picture } from '../../../fixtures/events.sample.ts'

const page = pageOf(events, (file) => `what ${file} says`)
const scenarios = page.groups.flatMap((group) => group.scenarios)
const html = renderPage(page, { walkthrough: headingsOf('# Page\n\n## Start\n```sh\nx\n```\n'), style: '' })

test('the tries of a wait are one step, under the name of the container', () => {
  expect(
    scenarios[0]?.steps.map(({ container, command, wait }) => [container, command, wait?.tries]),
  ).toEqual([
    [undefined, 'docker run -d --name two debian:13', undefined],
    ['two', 'ping -c1 one', 2],
  ])
})

test('a picture that equals an earlier one is not drawn again', () => {
  expect(scenarios[0]?.survey).toBeDefined()
  expect(scenarios[1]?.sameAs).toBe(scenarios[0]?.id)
})

test('the phases add up to the whole', () => {
  const run = page.run
  expect(run && phasesOf(run, scenarios).reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(7_000)
})

test('planes that agree have no problems', () => {
  expect(survey(picture).problems).toEqual([])
})

test('every kind of disagreement between the planes has its sentence', () => {
  const changed = structuredClone(picture)
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
  expect(survey(changed).problems.join('\n')).toMatchInlineSnapshot(`
    "net-1: the VNI of blue is 300 in the kernel, 256 in the store
    net-1: the tunnel of blue ends at 10.0.2.15, the store says 192.168.33.11
    net-1: no FDB entry 02:42:0a:09:00:03 → 192.168.33.12, where two is
    net-1: no neighbour entry 10.9.0.3 → 02:42:0a:09:00:03 for two
    net-1: FDB entry 02:42:0a:09:00:09 → 192.168.33.12 on blue, where the store has no endpoint
    net-2: two has 10.9.0.4 in the kernel, 10.9.0.3 in the store
    net-2: two has no port vetheeeeeeee on the bridge
    net-2: namespace lost with VNI 300 belongs to no network of Docker's"
  `)
})

test('a container of which one plane alone knows is drawn as such', () => {
  const without = structuredClone(picture)
  for (const host of without.hosts) host.containers = []
  expect(survey(without).networks[0]?.cells[1]?.boxes[0]?.state).toBe('only in the store')
  const unknown = structuredClone(picture)
  if (unknown.store) unknown.store.endpoints = []
  expect(survey(unknown).networks[0]?.cells[1]?.boxes[0]?.state).toBe('only in Docker')
})

test('a host that did not answer is shown as silent, and nothing is said against it', () => {
  const silent = structuredClone(picture)
  silent.hosts[1] = {
    name: 'net-2',
    address: '192.168.33.12',
    silent: 'lost',
    containers: [],
    networks: [],
    tunnels: [],
    interfaces: {},
  }
  expect(survey(silent).problems).toEqual([])
  expect(survey(silent).hosts[1]?.silent).toBe('lost')
})

test('what a name or an output says is text on the page, never markup', () => {
  expect(html).not.toMatch(/<script|<img/)
  expect(html).toContain('&lt;script&gt;alert(2)&lt;/script&gt;')
})

test('what failed stands on top, with its message, its place on the page, and the evidence', () => {
  expect(page.headline).toBe('1 of 2 scenarios failed')
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

test('a lab that could not be made has a page and a failing JUnit', () => {
  const [run] = events.filter((event) => event.kind === 'run')
  if (!run) throw new Error('the sample has a run')
  const { replay: _, ...rest } = run
  const lost = [{ ...rest, code: 2, message: 'no mirror' }]
  expect(pageOf(lost, () => '').headline).toBe('The lab could not be made')
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
