/**
 * `npm test`, `npm run test:unit`, `test:contract`, `test:lab`: installs what the kinds of tests need, then
 * runs them. The first words name the kinds, all by default; the other arguments go to vitest.
 */
import { execa } from 'execa'
import { consulBinary } from '../provision/images/consul.ts'
import { install, missing, type Needs, nspawnNeeds, testNeeds } from '../provision/images/this-machine.ts'
import { exitWith } from '../provision/process/exit.ts'
import { root } from './checks/tree.ts'

const kinds = ['unit', 'contract', 'lab']

/** Tools that some distributions do not package. Without one its tests are skipped, and counted as skipped. */
const tools: Needs = {
  vagrant: '/usr/bin/vagrant',
  'vagrant-libvirt': '/usr/share/doc/vagrant-libvirt',
  packer: '/usr/bin/packer',
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'qemu-utils': '/usr/bin/qemu-img',
}

async function main(args: string[]): Promise<number> {
  const others = args.findIndex((word) => !kinds.includes(word))
  const words = others < 0 ? args : args.slice(0, others)
  const chosen = words.length > 0 ? words : kinds
  const rest = args.slice(words.length)
  if (chosen.some((kind) => kind !== 'unit')) await installNeeds()
  const watch = rest.includes('--watch')
  const report = `${root}report/test.xml`
  const reporters = ['--reporter=default', '--reporter=junit', `--outputFile.junit=${report}`]
  const vitest = [
    `${root}node_modules/vitest/vitest.mjs`,
    ...(watch ? [] : ['run', ...reporters]),
    ...chosen.flatMap((kind) => ['--project', kind]),
    ...rest,
  ]
  // A signal that ends this process ends vitest, too.
  const { exitCode } = await execa(process.execPath, vitest, { cwd: root, stdio: 'inherit', reject: false })
  return exitCode ?? 1
}

async function installNeeds(): Promise<void> {
  const say = (line: string): void => console.error(line)
  await install({ ...nspawnNeeds, ...testNeeds }, say)
  for (const tool of missing(tools)) {
    await install({ [tool]: tools[tool] ?? '' }, say).catch((error: Error) =>
      say(`${error.message}; the tests that need ${tool} are skipped`),
    )
  }
  await consulBinary()
}

exitWith(main(process.argv.slice(2)))
