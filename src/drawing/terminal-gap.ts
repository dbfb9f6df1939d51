/** A line through the gap between two layers: from where it leaves the upper one to what it enters in the lower one. */
export interface Wire {
  /** Where it comes from; wires of one source leave it at one place. */
  readonly source: string
  readonly exit: number
  readonly target: string
}

/** Something in the lower layer: lines may enter it at its middle, and up to `reach` to both sides of it. */
export interface Entrance {
  readonly target: string
  readonly middle: number
  readonly reach: number
}

/**
 * Wires that share a line: each of their sources leads to each of their targets, so joining them says nothing wrong.
 * They go down from their exits to a track, along it, and down to their entries. Straight ones need no track.
 */
export interface Bundle {
  readonly name: string
  readonly exits: readonly number[]
  readonly entries: readonly { readonly target: string; readonly place: number }[]
  readonly track: number | null
}

interface Draft {
  readonly name: string
  readonly exits: number[]
  readonly targets: ReadonlySet<string>
}

type Planned = Omit<Bundle, 'track'>

/** Bundles the wires of a gap, and gives tracks to the bundles, from 0, as few as can be without false joins. */
export function routeGap(
  wires: readonly Wire[],
  entrances: readonly Entrance[],
): { readonly bundles: readonly Bundle[]; readonly tracks: number } {
  const planned = chooseEntries(bundleWires(wires), entrances)
  const tracks: Planned[][] = []
  const bundles = inOrder(planned).map((bundle): Bundle => {
    if (isStraight(bundle)) return { ...bundle, track: null }
    const above = tracks.findLastIndex((others) =>
      others.some((other) => mustLieAbove(other, bundle)),
    )
    let track = above + 1
    while (tracks[track]?.some((other) => touch(other, bundle))) track += 1
    const others = tracks[track] ?? []
    others.push(bundle)
    tracks[track] = others
    return { ...bundle, track }
  })
  return { bundles, tracks: tracks.length }
}

/** Sources that lead to the same targets make a bundle. */
function bundleWires(wires: readonly Wire[]): Draft[] {
  const sources = new Map<string, { exit: number; targets: Set<string> }>()
  for (const { source, exit, target } of wires) {
    const known = sources.get(source) ?? { exit, targets: new Set<string>() }
    known.targets.add(target)
    sources.set(source, known)
  }
  const drafts = new Map<string, Draft>()
  for (const { exit, targets } of sources.values()) {
    const name = [...targets].sort().join(' ')
    const draft = drafts.get(name) ?? { name, exits: [], targets }
    draft.exits.push(exit)
    drafts.set(name, draft)
  }
  return [...drafts.values()]
}

/** Bundles enter a target at places of their own, in the order in which they come from the side, while there are some. */
function chooseEntries(drafts: readonly Draft[], entrances: readonly Entrance[]): Planned[] {
  const places = new Map<string, number>()
  for (const entrance of entrances) {
    const entering = drafts
      .filter(({ targets }) => targets.has(entrance.target))
      .sort((a, b) => mean(a.exits) - mean(b.exits))
    for (const [i, { name }] of entering.entries()) {
      places.set(`${name}>${entrance.target}`, entryPlace(entrance, i, entering.length))
    }
  }
  return drafts.map(({ name, exits, targets }) => ({
    name,
    exits,
    entries: [...targets].map((target) => ({
      target,
      place: places.get(`${name}>${target}`) ?? 0,
    })),
  }))
}

/** The place of the i-th of so many lines: apart from one another if there is room, else together at the ends. */
function entryPlace({ middle, reach }: Entrance, i: number, count: number): number {
  const step = count - 1 <= reach ? 2 : 1
  const offset = Math.ceil((i - (count - 1) / 2) * step)
  return middle + Math.min(reach, Math.max(-reach, offset))
}

/** Those that must lie above others first; where that is a circle, as they come. */
function inOrder(bundles: readonly Planned[]): Planned[] {
  const left = [...bundles].sort((a, b) => spanOf(a).from - spanOf(b).from)
  const ordered: Planned[] = []
  while (left.length > 0) {
    const free = left.findIndex((one) => !left.some((other) => mustLieAbove(other, one)))
    ordered.push(...left.splice(Math.max(0, free), 1))
  }
  return ordered
}

/** True if `a` leaves where `b` enters: were its track below, the two would share a piece of the way down. */
function mustLieAbove(a: Planned, b: Planned): boolean {
  return a !== b && b.entries.some(({ place }) => a.exits.includes(place))
}

function isStraight(bundle: Planned): boolean {
  const { from, to } = spanOf(bundle)
  return from === to
}

function touch(a: Planned, b: Planned): boolean {
  const [one, other] = [spanOf(a), spanOf(b)]
  return one.from <= other.to && other.from <= one.to
}

function spanOf({ exits, entries }: Planned): { readonly from: number; readonly to: number } {
  const places = [...exits, ...entries.map(({ place }) => place)]
  return { from: Math.min(...places), to: Math.max(...places) }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length
}
