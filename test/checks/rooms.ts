/**
 * The rooms of the source tree and what each may import: the table behind `npm run check` and
 * docs/architecture.md.
 *
 * A room is a folder or a file; a file belongs to the longest room that its path begins with. Files of one
 * room may import each other. Every row may name only rooms of rows above it, so that no import points
 * upwards and no rooms form a circle. `room/**` stands for a room and all rooms inside it.
 */
export type Room = {
  room: string
  imports: readonly string[]
  /** The only packages of this room, Node's own among them. Without a list a room may use every package. */
  packages?: readonly string[]
  /** Printed with a refused import. */
  why: string
}

const anyLoop = [
  'driver/core/**',
  'driver/log.ts',
  'driver/within.ts',
  'driver/store',
  'driver/kernel',
  'driver/engine',
]
const backend = [
  ...['provision/process', 'provision/lab', 'provision/ssh', 'provision/images', 'provision/cli/progress.ts'],
  'provision/backends',
]

export const rooms: readonly Room[] = [
  { room: 'driver/version.ts', imports: [], why: 'constants' },
  { room: 'driver/sockets.ts', imports: [], why: 'constants' },
  { room: 'driver/run-folder.ts', imports: [], why: 'one system call' },
  { room: 'driver/log.ts', imports: [], why: 'the type of a logger' },
  { room: 'driver/within.ts', imports: [], packages: [], why: 'one timer' },
  {
    room: 'driver/unix-http.ts',
    imports: [],
    packages: ['node:http'],
    why: 'the commands that wait for it start fast',
  },
  {
    room: 'driver/http-app.ts',
    imports: [],
    packages: [],
    why: 'from a request to an answer, both as text; the sockets are in driver/protocol',
  },
  {
    room: 'driver/core',
    imports: [],
    packages: ['immutable', 'ip-address'],
    why: 'core is pure: no I/O, no clock, no log',
  },
  { room: 'driver/core/endpoints', imports: ['driver/core'], packages: ['immutable'], why: 'core is pure' },
  { room: 'driver/core/datapath', imports: ['driver/core'], packages: ['immutable'], why: 'core is pure' },
  { room: 'driver/core/tunnels', imports: ['driver/core'], packages: ['immutable'], why: 'core is pure' },
  {
    room: 'driver/core/check',
    imports: ['driver/core', 'driver/core/endpoints', 'driver/core/datapath'],
    packages: ['immutable'],
    why: 'core is pure',
  },
  {
    room: 'driver/kernel',
    imports: ['driver/core/**', 'driver/log.ts'],
    why: 'the kernel room knows neither Docker, Consul nor DNS',
  },
  {
    room: 'driver/engine',
    imports: ['driver/core/**', 'driver/log.ts', 'driver/unix-http.ts'],
    why: 'the room of the Docker client knows neither Consul, the kernel nor DNS',
  },
  {
    room: 'driver/dns',
    imports: ['driver/core/**', 'driver/log.ts'],
    why: 'the DNS server gets its names as an argument; it knows neither Docker, Consul nor the kernel',
  },
  {
    room: 'driver/store',
    imports: ['driver/core/**', 'driver/log.ts', 'driver/within.ts'],
    why: 'the store knows neither Docker, the kernel nor DNS',
  },
  {
    room: 'driver/store/consul',
    imports: ['driver/core/**', 'driver/log.ts', 'driver/within.ts', 'driver/store'],
    why: 'the store knows neither Docker, the kernel nor DNS',
  },
  {
    room: 'driver/verbs',
    imports: ['driver/core/**', 'driver/log.ts', 'driver/within.ts', 'driver/store'],
    why: 'verbs write to the store; dockerd waits for them with locks held, so that they never call Docker; loops do the rest',
  },
  {
    room: 'driver/protocol',
    imports: [
      'driver/core/**',
      'driver/log.ts',
      'driver/run-folder.ts',
      'driver/http-app.ts',
      'driver/verbs',
    ],
    why: "a handler of Docker's protocol calls verbs only: never Docker, Consul or the kernel",
  },
  {
    room: 'driver/loops/kit',
    imports: anyLoop,
    why: 'what all loops share depends on no loop, and loops never import verbs',
  },
  ...['datapath', 'endpoints', 'addresses', 'networks', 'names', 'host', 'filter', 'tunnels'].map((loop) => ({
    room: `driver/loops/${loop}`,
    imports: [...anyLoop, 'driver/loops/kit', ...(loop === 'names' ? ['driver/dns'] : [])],
    why: 'a loop never imports a verb or another loop',
  })),
  {
    room: 'driver/control',
    imports: [
      ...[...anyLoop, 'driver/loops/kit', 'driver/sockets.ts', 'driver/unix-http.ts'],
      ...['driver/http-app.ts', 'driver/verbs'],
    ],
    why: "status, metrics and check know the verbs' interface and not Docker's protocol",
  },
  { room: 'driver/cli/table.ts', imports: [], why: 'text tables for every command line and report' },
  {
    room: 'driver/cli',
    imports: [
      'driver/core/**',
      'driver/control',
      'driver/sockets.ts',
      'driver/version.ts',
      'driver/cli/table.ts',
    ],
    why: 'the command line asks the control socket',
  },
  {
    room: 'driver/dialect',
    imports: [
      ...anyLoop,
      'driver/loops/kit',
      'driver/verbs',
      'driver/control',
      'driver/cli',
      'driver/cli/table.ts',
      'driver/run-folder.ts',
      'driver/sockets.ts',
      'driver/http-app.ts',
    ],
    why: "the dialect of 2015 knows Docker's API, verbs and the control socket, and not Docker's plugin protocol",
  },
  { room: 'driver/daemon', imports: ['driver/**'], why: 'the daemon puts all parts together' },
  {
    room: 'driver/membership',
    imports: [
      ...anyLoop,
      ...['driver/daemon', 'driver/store/consul', 'driver/verbs', 'driver/protocol', 'driver/loops/names'],
      ...['driver/control', 'driver/cli', 'driver/cli/table.ts', 'driver/unix-http.ts'],
    ],
    why: 'doctor, init, join and leave examine and change a machine on which no driver runs yet, or none any more',
  },
  { room: 'driver/main.ts', imports: ['driver/**'], why: 'the way in' },
  { room: 'driver/bundle.ts', imports: [], why: 'the bundler reads main.ts itself' },
  { room: 'driver/build.ts', imports: ['driver/bundle.ts'], why: 'the program of `npm run build`' },

  { room: 'provision/process', imports: [], why: 'processes, signals and exit codes know no lab' },
  { room: 'provision/compiled.mjs', imports: [], why: 'is imported before packages are installed' },
  {
    room: 'provision/start.mjs',
    imports: ['provision/process', 'provision/compiled.mjs'],
    why: 'runs before packages are installed',
  },
  { room: 'provision/bin.mjs', imports: ['provision/start.mjs'], why: 'names the programs' },
  { room: 'provision/cli/progress.ts', imports: ['provision/process'], why: 'prints progress; knows no lab' },
  {
    room: 'provision/lab',
    imports: ['provision/process'],
    why: 'the definition of a lab knows no backend and no step',
  },
  { room: 'provision/ssh', imports: ['provision/process'], why: 'a connection knows no lab' },
  {
    room: 'provision/images',
    imports: ['provision/process', 'provision/lab', 'provision/cli/progress.ts'],
    why: 'images know no backend: every backend uses them',
  },
  { room: 'provision/steps/template.ts', imports: ['provision/process'], why: 'a template knows no step' },
  {
    room: 'provision/package',
    imports: [
      ...['provision/process', 'provision/images', 'provision/steps/template.ts'],
      ...['driver/bundle.ts', 'driver/cli', 'driver/daemon', 'driver/dialect'],
    ],
    why: 'a package knows no lab and no step; of the driver it bundles the program and reads the help texts',
  },
  {
    room: 'provision/steps',
    imports: [
      ...['provision/process', 'provision/lab', 'provision/ssh', 'provision/images'],
      ...[
        'provision/package',
        'provision/steps/template.ts',
        'driver/sockets.ts',
        'driver/dialect',
        'driver/protocol',
        'driver/membership',
      ],
    ],
    why: 'a step is applied over ssh, the same for every backend; of the driver it reads constants',
  },
  {
    room: 'provision/packer',
    imports: ['provision/process', 'provision/lab', 'provision/ssh', 'provision/steps'],
    why: 'Packer applies the steps to its machine',
  },
  {
    room: 'provision/backends',
    imports: backend.filter((room) => room !== 'provision/backends'),
    why: 'the interface of backends knows no backend',
  },
  { room: 'provision/backends/nspawn', imports: backend, why: 'a backend never imports another' },
  { room: 'provision/backends/vagrant', imports: backend, why: 'a backend never imports another' },
  { room: 'provision/backends/ssh', imports: backend, why: 'a backend never imports another' },
  {
    room: 'provision/backends/registry.ts',
    imports: ['provision/backends/**'],
    why: 'the registry loads the backend that is chosen',
  },
  {
    room: 'provision/cli',
    imports: [
      'provision/process',
      'provision/lab',
      'provision/images',
      'provision/cli/progress.ts',
      'provision/backends/**',
      'driver/cli/table.ts',
    ],
    why: 'arguments choose a backend; steps and bringing up come later',
  },
  {
    room: 'provision/lab/bring-up.ts',
    imports: ['provision/**'],
    why: 'puts backends, images and steps together',
  },
  {
    room: 'provision/lab/with-lab.ts',
    imports: ['provision/**'],
    why: 'puts backends, images and steps together',
  },
  {
    room: 'provision/lab.ts',
    imports: ['provision/**'],
    why: 'the way in; provision never imports scenarios or test',
  },

  {
    room: 'scenarios/record',
    imports: ['provision/**'],
    why: 'what is recorded depends on no scenario and no report',
  },
  { room: 'scenarios/report/statistics.ts', imports: [], why: 'arithmetic' },
  {
    room: 'scenarios/report',
    imports: [
      'scenarios/record',
      'scenarios/report/statistics.ts',
      'provision/process',
      'provision/cli/progress.ts',
      'driver/cli/table.ts',
    ],
    why: 'the report is made of the record alone: never of the kit',
  },
  {
    room: 'scenarios/kit',
    imports: ['scenarios/record', 'provision/**'],
    why: 'the kit knows the record, and neither the report, a subject nor a scenario',
  },
  {
    room: 'scenarios/subjects',
    imports: ['scenarios/kit', 'scenarios/record', 'provision/**', 'driver/core'],
    why: 'what is under test is brought up with the kit',
  },
  {
    room: 'scenarios/walkthrough/page',
    imports: ['scenarios/kit', 'scenarios/record', 'provision/process', 'provision/lab'],
    why: 'the page as data is typed with the kit',
  },
  {
    room: 'scenarios/walkthrough',
    imports: ['scenarios/walkthrough/page', 'scenarios/kit', 'scenarios/subjects', 'provision/lab'],
    why: 'a scenario uses the kit, and no scenario uses another',
  },
  ...['conformance', 'overlay'].map((folder) => ({
    room: `scenarios/${folder}`,
    imports: ['scenarios/kit', 'scenarios/subjects', 'provision/lab'],
    why: 'a scenario uses the kit, and no scenario uses another',
  })),
  { room: 'scenarios/faults/random.ts', imports: [], why: 'arithmetic' },
  {
    room: 'scenarios/faults',
    imports: [
      'scenarios/kit',
      'scenarios/subjects',
      'scenarios/report/statistics.ts',
      'scenarios/faults/random.ts',
      'provision/lab',
      'provision/images',
      'driver/daemon',
      'driver/cli/table.ts',
    ],
    why: 'a scenario uses the kit, and no scenario uses another; of the driver it reads the list of crash points',
  },
  {
    room: 'scenarios/programs',
    imports: ['scenarios/kit', 'provision/images', 'provision/process'],
    why: 'a scenario uses the kit, and no scenario uses another; real programs come from an image of their own',
  },
  {
    room: 'scenarios/selection.ts',
    imports: ['scenarios/**', 'provision/process'],
    why: 'chooses the scenario files of a run',
  },
  {
    room: 'scenarios/own-folder.ts',
    imports: ['scenarios/record', 'scenarios/kit', 'provision/lab', 'provision/process'],
    why: 'reads a folder of another project, and knows no scenario of ours',
  },
  {
    room: 'scenarios/vitest.ts',
    imports: ['scenarios/record', 'provision/process'],
    why: 'runs vitest on files of any content',
  },
  { room: 'scenarios/main.ts', imports: ['scenarios/**', 'provision/**'], why: 'the way in' },

  { room: 'test/checks', imports: [], why: 'the checks read the source tree, and import none of it' },
  {
    room: 'test/fixtures',
    imports: ['driver/**', 'provision/**', 'scenarios/**'],
    why: 'fixtures serve every kind of test',
  },
  {
    room: 'test/acceptance',
    imports: ['provision/**', 'scenarios/**', 'test/fixtures'],
    why: 'a program of its own',
  },
  {
    room: 'test/bench',
    imports: ['driver/**', 'provision/**', 'scenarios/**', 'test/fixtures'],
    why: 'a program of its own',
  },
  {
    room: 'test/histories',
    imports: ['driver/**', 'test/fixtures', 'scenarios/faults/random.ts'],
    why: 'a program of its own',
  },
  {
    room: 'test/unit',
    imports: ['driver/**', 'provision/**', 'scenarios/**', 'test/**'],
    why: 'a unit test mirrors the source tree',
  },
  {
    room: 'test/contract',
    imports: ['driver/**', 'provision/**', 'scenarios/**', 'test/fixtures'],
    why: 'contract tests use fixtures, and no other test',
  },
  {
    room: 'test/lab',
    imports: ['driver/**', 'provision/**', 'scenarios/**', 'test/fixtures'],
    why: 'lab tests use fixtures, and no other test',
  },
  {
    room: 'test',
    imports: ['provision/**', 'test/checks'],
    why: 'the programs of `npm test` and `npm run check`',
  },
  {
    room: 'vitest.config.ts',
    imports: ['provision/process', 'scenarios/record', 'scenarios/selection.ts'],
    why: 'the order of files, and the timeouts',
  },
  {
    room: 'docs',
    imports: [],
    packages: ['node:*', 'multihost', 'vitest'],
    why: 'an example works outside of this tree, with the package alone',
  },
]

/** Packages that only the named files may import. */
export const packagesOf: readonly { package: string; files: readonly string[]; why: string }[] = [
  {
    package: 'consul',
    files: ['driver/store/consul/client.ts'],
    why: "one file knows the package, so that the package's types and errors stay in it",
  },
]
