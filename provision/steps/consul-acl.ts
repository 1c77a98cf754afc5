/**
 * Consul's ACLs on a secured lab: a management token that stays on the server, and for each Docker host a
 * token of least privilege.
 *
 * Tokens are sent in a file's content, never as an argument. The management token is for who is root on the
 * server: curl reads it from /root/.curlrc, and so do the scenarios, which look into the store there.
 */
import { policyOf, rulesFor } from '../../driver/membership/token-policies.ts'
import { hostsOfRole } from '../lab/definition.ts'
import type { Step, StepContext } from './step.ts'
import { succeeds, until, writeFiles } from './step.ts'

const api = 'http://127.0.0.1:8500/v1'
const management = '/root/.curlrc'

export const consulAcl: Step = {
  title: "consul's tokens",
  async holds(context) {
    const { secrets, lab, host } = context
    const first = hostsOfRole(lab, 'consul')[0]
    if (secrets === undefined || first?.name !== host.name) return true // the servers share their tokens
    const tokens = Object.keys(secrets.tokens).map(
      (host) => `grep -q '"Description":"multihost on ${host}"' <<< "$listed"`,
    )
    return succeeds(
      context,
      `[ -f ${management} ] && listed=$(curl -sf ${api}/acl/tokens) && ${tokens.join(' && ')}`,
    )
  },
  async apply(context) {
    const { $, secrets, lab } = context
    await until(context, `curl -s ${api}/acl/replication | grep -q Enabled`, 'Consul does not answer')
    await $`[ -f ${management} ] || (umask 077; curl -sf -X PUT ${api}/acl/bootstrap | jq -r '"header = \\"X-Consul-Token: " + .SecretID + "\\""' > ${management})`
    const servers = hostsOfRole(lab, 'consul').map(({ name }) => name)
    const hosts = Object.keys(secrets?.tokens ?? {})
    for (const host of hosts) await putPolicy(context, policyOf(host), rulesFor(servers, host))
    const known = (await $`curl -sf ${api}/acl/tokens | jq -r '.[].Description'`).stdout.split('\n')
    for (const [name, token] of Object.entries(secrets?.tokens ?? {})) {
      const Description = `multihost on ${name}`
      if (known.includes(Description)) continue
      await put(context, 'acl/token', { SecretID: token, Description, Policies: [{ Name: policyOf(name) }] })
    }
  },
}

async function putPolicy(context: StepContext, name: string, rules: string): Promise<void> {
  const found = await context.$`curl -sf ${api}/acl/policies | jq -r ${`.[] | select(.Name == "${name}").ID`}`
  const id = found.stdout.trim()
  await put(context, id === '' ? 'acl/policy' : `acl/policy/${id}`, { Name: name, Rules: rules })
}

async function put(context: StepContext, path: string, body: object): Promise<void> {
  const file = '/run/multihost-acl.json'
  await writeFiles(context, [{ path: file, content: JSON.stringify(body), mode: '0600' }])
  await context.$`trap ${`rm -f ${file}`} EXIT; curl -sS --fail-with-body -X PUT -d @${file} ${`${api}/${path}`}`
}
