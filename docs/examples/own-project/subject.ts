import { program } from 'multihost/kit/subject'
import { type StepContext, succeeds } from 'multihost/step'

const answers = 'curl -sf http://localhost:8000'
const web = {
  title: 'web server',
  holds: (on: StepContext) => succeeds(on, answers),
  async apply({ $, host, upload }: StepContext) {
    const answer = `(_, to) => to.end('${host.name}')`
    await upload('/srv/web.mjs', `import('http').then((it) => it.createServer(${answer}).listen(8000))`)
    await $`systemd-run -q --unit web node /srv/web.mjs; until bash -c ${answers}; do sleep 0.1; done`
  },
}
export default program({ name: 'web', role: 'bare', steps: [web], unit: 'web', answers })
