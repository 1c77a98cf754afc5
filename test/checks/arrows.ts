/**
 * Holds a tree of imports against the table of rooms, and says in words what the table forbids.
 */
import type { Import } from './imports.ts'
import type { packagesOf, Room } from './rooms.ts'

export type Breach = {
  /** `driver/verbs → driver/loops/kit`; what a list of breaches that are not repaired yet names. */
  arrow: string
  message: string
}

export function breaches(
  files: readonly string[],
  imports: readonly Import[],
  rooms: readonly Room[],
  packages: typeof packagesOf,
): Breach[] {
  const known = new Set(files)
  return [
    ...tableBreaches(rooms),
    ...files.flatMap((file) => homeless(file, rooms)),
    ...imports.flatMap((entry) =>
      entry.kind === 'package'
        ? packageBreaches(entry, rooms, packages)
        : known.has(entry.to)
          ? fileBreaches(entry, rooms)
          : [],
    ),
    ...circles(imports),
  ]
}

/** The longest room that the path begins with. */
function roomOf(path: string, rooms: readonly Room[]): Room | undefined {
  return rooms
    .filter(({ room }) => path === room || path.startsWith(`${room}/`))
    .reduce<Room | undefined>(
      (best, row) => (best && best.room.length >= row.room.length ? best : row),
      undefined,
    )
}

function allows(row: Room, room: string): boolean {
  return row.imports.some((allowed) =>
    allowed.endsWith('/**')
      ? room === allowed.slice(0, -3) || room.startsWith(allowed.slice(0, -2))
      : room === allowed,
  )
}

/** A row that names a room of no earlier row could hide a circle; a misspelt one allows nothing. */
function tableBreaches(rooms: readonly Room[]): Breach[] {
  return rooms.flatMap((row, at) =>
    row.imports
      .filter(
        (allowed) => !allowed.endsWith('/**') && !rooms.slice(0, at).some(({ room }) => room === allowed),
      )
      .map((allowed) => ({
        arrow: `${row.room} → ${allowed}`,
        message: `the table of rooms lets ${row.room} import ${allowed}, which is in no row above it`,
      })),
  )
}

function homeless(file: string, rooms: readonly Room[]): Breach[] {
  if (roomOf(file, rooms)) return []
  return [
    {
      arrow: file,
      message: `${file} is in no room: put it into one, or give its folder a row in test/checks/rooms.ts`,
    },
  ]
}

function fileBreaches({ from, to }: Import, rooms: readonly Room[]): Breach[] {
  const [here, there] = [roomOf(from, rooms), roomOf(to, rooms)]
  if (!here || !there || here === there) return []
  // `room/**` of a later row reaches upwards only for the rooms above it in the table
  if (allows(here, there.room) && rooms.indexOf(there) < rooms.indexOf(here)) return []
  const allowed = here.imports.join(', ') || 'no other room'
  return [
    {
      arrow: `${here.room} → ${there.room}`,
      message: `${from} imports ${to}, but ${here.room} may import ${allowed} (${here.why})`,
    },
  ]
}

function packageBreaches(
  { from, to }: Import,
  rooms: readonly Room[],
  packages: typeof packagesOf,
): Breach[] {
  const here = roomOf(from, rooms)
  const owned = packages.find((row) => row.package === to)
  const found: Breach[] = []
  if (owned && !owned.files.includes(from)) {
    found.push({
      arrow: `${from} → ${to}`,
      message: `${from} imports ${to}: only ${owned.files.join(', ')} may (${owned.why})`,
    })
  }
  const builtIn = to.startsWith('node:') && here?.packages?.includes('node:*')
  if (here?.packages && !here.packages.includes(to) && !builtIn) {
    const allowed = here.packages.join(', ')
    found.push({
      arrow: `${here.room} → ${to}`,
      message: `${from} imports ${to}, but ${here.room} may use ${allowed} only (${here.why})`,
    })
  }
  return found
}

/** Files that import each other in a circle, inside one room too. Tarjan's strongly connected components. */
function circles(imports: readonly Import[]): Breach[] {
  const next = new Map<string, string[]>()
  for (const { from, to, kind } of imports)
    if (kind === 'file') next.set(from, [...(next.get(from) ?? []), to])
  const found: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const visit = (file: string): number => {
    const number = order.size
    order.set(file, number)
    let low = number
    stack.push(file)
    for (const to of next.get(file) ?? []) {
      if (!order.has(to)) low = Math.min(low, visit(to))
      else if (stack.includes(to)) low = Math.min(low, lowest.get(to) ?? order.get(to) ?? low)
    }
    lowest.set(file, low)
    if (low === number) found.push(stack.splice(stack.indexOf(file)))
    return low
  }
  for (const file of next.keys()) if (!order.has(file)) visit(file)
  return found
    .filter((files) => files.length > 1)
    .map((files) => files.sort())
    .map((files) => ({
      arrow: `circle: ${files.join(', ')}`,
      message: `these files import each other in a circle: ${files.join(', ')}`,
    }))
}
