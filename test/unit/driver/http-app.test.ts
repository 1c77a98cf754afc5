import { expect, test } from 'vitest'
import { type App, json, plain, type Route, routed, textWithin } from '../../../driver/http-app.ts'
import { askApp } from '../../fixtures/ask-app.ts'

const routes: Route[] = [
  ['GET', '/services', async ({ query }) => plain(`all of ${query.get('network')}`)],
  ['GET', '/services/:name', async (_, name) => plain(name)],
  ['POST', '/services/:name/attach', async (asked, name) => plain(`${name}: ${await textWithin(asked, 5)}`)],
  ['GET', '/nothing', async () => json(undefined)],
  [
    'GET',
    '/defect',
    async () => {
      throw new Error('a defect')
    },
  ],
]
const app: App = routed(
  routes,
  ({ method, path }) => json(`no ${method} ${path}`, 404),
  (error) => json((error as Error).message, 500),
)

test.each([
  ['GET', '/services?network=a%2Fb', '', 200, 'all of a/b'],
  ['GET', '/services/a%2Fb', '', 200, 'a/b'],
  ['GET', '/services/100%', '', 200, '100%'],
  ['POST', '/services/web/attach', 'é 12', 200, 'web: é 12'],
  ['POST', '/services/web/attach', 'é 123', 200, 'web: undefined'],
  ['GET', '/nothing', '', 200, 'null'],
  ['POST', '/services/web', '', 404, '"no POST /services/web"'],
  ['GET', '/services/', '', 404, '"no GET /services/"'],
  ['GET', '//services', '', 404, '"no GET //services"'],
  ['GET', '/defect', '', 500, '"a defect"'],
])('%s %s %j is answered with %i %s', async (method, path, body, status, text) => {
  expect(await askApp(app, method, path, body)).toMatchObject({ status, text })
})
