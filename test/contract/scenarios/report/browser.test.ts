/**
 * The page in a browser: with scripts off, in light and dark, narrow and wide, everything opened. Of events
 * that are made up, to have something of everything, and of a short run that was recorded on a lab.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordedEvents } from '../../../../scenarios/record/events.ts'
import { headingsOf } from '../../../../scenarios/report/headings.ts'
import { renderReport } from '../../../../scenarios/report/html/report.ts'
import { reportOf } from '../../../../scenarios/report/model.ts'
import { writeReport } from '../../../../scenarios/report/write.ts'
import { type Browser, browser, type OpenPage } from '../../../fixtures/browser.ts'
import { events } from '../../../fixtures/events.sample.ts'
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts'

const folder = temporaryFolder(afterAll)
let chromium: Browser
beforeAll(async () => {
  chromium = await browser()
})
afterAll(async () => {
  await chromium[Symbol.asyncDispose]()
})

interface Report {
  file: string
  titles: string[]
  /** How many drawings of the lab differ from those before. */
  snapshots: number
}

function madeUp(): Report {
  const style = readFileSync(new URL('../../../../scenarios/report/html/style.css', import.meta.url), 'utf8')
  const long = 'averylongwordofalog'.repeat(40)
  const page = reportOf(
    events.map((event) => ('message' in event ? { ...event, message: long } : event)),
    (name) => `${name} ${long}`,
  )
  const file = join(folder, 'made-up.html')
  writeFileSync(file, renderReport(page, { headings: headingsOf('# Page'), style }))
  return { file, titles: ['they reach each other', 'a <script>alert(1)</script> is text'], snapshots: 1 }
}

/**
 * `npm run scenarios -- overlay/cluster overlay/names` on a busy machine: a scenario failed, then it was
 * interrupted.
 */
const recording = fileURLToPath(new URL('../../../fixtures/recorded-run.jsonl', import.meta.url))

function recorded(): Report {
  copyFileSync(recording, join(folder, 'events.jsonl'))
  process.env.MULTIHOST_REPORT = folder
  try {
    writeReport()
    const run = recordedEvents()
    const { groups } = reportOf(run, () => '')
    return {
      file: join(folder, 'index.html'),
      titles: run.flatMap((event) => (event.kind === 'scenario' ? [event.scenario] : [])),
      snapshots: groups.flatMap(({ scenarios }) => scenarios).filter(({ lab }) => lab).length,
    }
  } finally {
    delete process.env.MULTIHOST_REPORT
  }
}

/** WCAG 2's ratio of the text's colour and the nearest background below it; a letter's SVG shape may be its fill. */
const faint = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const below = (element) => { for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor
    if ((numbers(colour)[3] ?? 1) > 0) return colour
  } }
  const ratio = (a, b) => { const [x, y] = [light(numbers(a)), light(numbers(b))].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) }
  const texts = [...document.querySelectorAll('body *')].filter((e) => !e.closest('.lab') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => e.tagName.toLowerCase() !== 'title')
  return texts.map((e) => { const style = getComputedStyle(e)
    const colour = e.closest('svg') ? style.fill : style.color
    return { text: e.textContent.trim().slice(0, 40), ratio: ratio(colour, below(e.closest('svg')?.parentElement ?? e)) } })
    .filter(({ ratio }) => ratio < 4.5)
})()`

const looks = [400, 1400].flatMap((width) =>
  (['light', 'dark'] as const).map((scheme) => ({ width, scheme })),
)

describe.each([
  { run: 'made up', report: madeUp },
  { run: 'recorded', report: recorded },
])('of a run that was $run', ({ report }) => {
  const { file, titles, snapshots } = report()

  describe.each(looks)('at $width px, in $scheme', ({ width, scheme }) => {
    let page: OpenPage
    beforeAll(async () => {
      page = await chromium.open(pathToFileURL(file).href, { width, scheme })
      await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    })

    test('nothing is wider than the page', async () => {
      const over = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
      expect(await page.evaluate(over)).toBe(0)
    })

    test('text stands out from its background', async () => {
      expect(await page.evaluate(faint)).toEqual([])
    })

    test('every scenario is there, and every snapshot of the lab is seen', async () => {
      const shown = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.scenario .title')].map((e) => e.textContent)",
      )
      expect(shown).toEqual(titles)
      const seen = await page.evaluate<number>(
        "[...document.querySelectorAll('.lab svg')].filter((e) => e.getBoundingClientRect().width > 300).length",
      )
      expect(seen).toBe(snapshots)
    })

    test('there is something on its snapshot', async () => {
      const shot = await page.screenshot()
      expect(shot.readUInt32BE(16)).toBe(width)
      expect(shot.length).toBeGreaterThan(10_000) // an empty one of that size compresses to less
    })

    test('it has the colours of the scheme', async () => {
      const [red = 0] =
        (await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
          .match(/\d+/g)
          ?.map(Number) ?? []
      expect(red > 128).toBe(scheme === 'light')
    })
  })
})
