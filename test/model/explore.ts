/** What the explorer needs to know of a model. States are plain values that nothing changes. */
export interface Model<State> {
  readonly start: State
  /** The state's canonical text: two states with the same text are one. */
  readonly key: (state: State) => string
  /** Everything that may happen next, in words; a step that changes nothing is left out. */
  readonly steps: (state: State) => Iterable<readonly [name: string, next: State]>
}

interface Edge {
  readonly name: string
  readonly to: number
}

/** All states that can be reached, in the order of their distance from the start, which is state 0. */
export interface Graph<State> {
  readonly states: readonly State[]
  /** Of each state, what may happen in it. */
  readonly edges: readonly (readonly Edge[])[]
  /** Of each state but the start, the step that reached it first. */
  readonly reachedBy: readonly { readonly name: string; readonly from: number }[]
}

/** Something that should not be, and one of the shortest ways to where it is. */
export interface Trouble {
  readonly complaint: string
  readonly trace: readonly string[]
}

/**
 * Visits every state that can be reached, nearest first. Throws where there are more than `statesMax`, for a part of the states
 * shows nothing. Cost: a key for each step there is; every state and step is kept.
 */
export function explore<State>(model: Model<State>, statesMax: number): Graph<State> {
  const numbers = new Map<string, number>([[model.key(model.start), 0]])
  const states = [model.start]
  const edges: Edge[][] = []
  const reachedBy = [{ name: '', from: 0 }]
  for (const [from, state] of states.entries()) {
    const out: Edge[] = []
    for (const [name, next] of model.steps(state)) {
      const key = model.key(next)
      let to = numbers.get(key)
      if (to === undefined) {
        to = states.length
        if (to === statesMax) throw new Error(`There are more than ${statesMax} states.`)
        numbers.set(key, to)
        states.push(next)
        reachedBy.push({ name, from })
      }
      out.push({ name, to })
    }
    edges.push(out)
  }
  return { states, edges, reachedBy }
}

/** The nearest state that `complain` has something to say of, if there is one. */
export function findTrouble<State>(
  graph: Graph<State>,
  complain: (state: State) => string | undefined,
): Trouble | undefined {
  for (const [number, state] of graph.states.entries()) {
    const complaint = complain(state)
    if (complaint !== undefined) return { complaint, trace: traceTo(graph, number) }
  }
  return undefined
}

/** The nearest state that no `isGoal` state can be reached from, if there is one. Wants a graph that is complete. */
export function findStranded<State>(graph: Graph<State>, isGoal: (state: State) => boolean): Trouble | undefined {
  const before: number[][] = graph.states.map(() => [])
  for (const [from, out] of graph.edges.entries()) for (const { to } of out) before[to]?.push(from)
  const reaches = graph.states.map(isGoal)
  const open = [...reaches.keys()].filter(number => reaches[number])
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    for (const from of before[number] ?? []) {
      if (!reaches[from]) open.push(from)
      reaches[from] = true
    }
  }
  const stranded = reaches.indexOf(false)
  if (stranded === -1) return undefined
  return { complaint: 'no goal can be reached any more', trace: traceTo(graph, stranded) }
}

/**
 * A run that never ends, if there is one: the way to a state, and the steps that lead back to it. Where there is none,
 * every run ends, whoever takes the next step; where nothing is stranded besides, every run ends in a goal.
 */
export function findLoop<State>(graph: Graph<State>): Trouble | undefined {
  const finished = new Set<number>()
  const onPath = new Map<number, number>()
  const path: { readonly state: number; readonly name: string; readonly rest: Iterator<Edge> }[] = []
  const enter = (state: number, name: string): void => {
    onPath.set(state, path.length)
    path.push({ state, name, rest: (graph.edges[state] ?? []).values() })
  }
  enter(0, '')
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const edge = top.rest.next().value
    if (edge === undefined) {
      finished.add(top.state)
      onPath.delete(top.state)
      path.pop()
      continue
    }
    const at = onPath.get(edge.to)
    if (at !== undefined) {
      const loop = [...path.slice(at + 1).map(({ name }) => name), edge.name]
      return { complaint: `these go round: ${loop.join(', ')}`, trace: traceTo(graph, edge.to) }
    }
    if (!finished.has(edge.to)) enter(edge.to, edge.name)
  }
  return undefined
}

function traceTo<State>({ reachedBy }: Graph<State>, state: number): string[] {
  const trace: string[] = []
  for (let at = state; at !== 0; ) {
    const step = reachedBy[at]
    if (step === undefined) throw new Error(`nothing leads to state ${at}`)
    trace.unshift(step.name)
    at = step.from
  }
  return trace
}
