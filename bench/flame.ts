/** A CPU profile as V8 writes it (.cpuprofile). */
export type CpuProfile = {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[]
  samples: number[]
  /** In µs, one per sample. */
  timeDeltas: number[]
}

type Frame = { name: string; own: number; total: number; children: Map<string, Frame> }

const WIDTH = 1_200
const ROW = 16
const TOP = 34
/** Narrower ones could not be read, and there are thousands. */
const LEAST_WIDTH = 1.5
const DEEPEST = 40
const COLOURS: Record<string, string> = { own: '#7fb48e', node: '#d9b96a', native: '#d98f6a', library: '#8fa9cf' }

/** @param from share of the profile that is left out at its beginning: the start of the process is no work. */
export function flameGraph(title: string, profile: CpuProfile, from: number): string {
  const root = treeOf(profile, from)
  const boxes: string[] = []
  let deepest = 0
  const draw = (frame: Frame, x: number, depth: number) => {
    const width = (frame.total / root.total) * WIDTH
    if (width < LEAST_WIDTH || depth > DEEPEST) return
    deepest = Math.max(deepest, depth)
    boxes.push(box(frame, { x, width, y: TOP + depth * ROW, share: frame.total / root.total }))
    let at = x
    for (const child of [...frame.children.values()].sort((a, b) => b.total - a.total)) {
      draw(child, at, depth + 1)
      at += (child.total / root.total) * WIDTH
    }
  }
  draw(root, 0, 0)
  const height = TOP + (deepest + 1) * ROW + 8
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${inXml(title)}">
<title>${inXml(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<g font-family="ui-monospace, monospace" font-size="10" fill="#222">
<text x="4" y="14" font-size="13">${inXml(title)}</text>
<text x="4" y="28" fill="#666">width: CPU time · green: Comanda · blue: libraries · yellow: Node · orange: native code and garbage collection</text>
${boxes.join('\n')}
</g>
</svg>
`
}

function treeOf({ nodes, samples, timeDeltas }: CpuProfile, from: number): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)))
  const all = timeDeltas.reduce((sum, one) => sum + one, 0)
  const root: Frame = { name: 'all', own: 0, total: 0, children: new Map() }
  let passed = 0
  samples.forEach((id, at) => {
    const delta = timeDeltas[at] ?? 0
    passed += delta
    const path = pathTo(id)
    if (passed < all * from || path.at(-1) === '(idle)') return
    let frame = root
    frame.total += delta
    for (const name of path) {
      const child = frame.children.get(name) ?? { name, own: 0, total: 0, children: new Map() }
      frame.children.set(name, child)
      child.total += delta
      frame = child
    }
    frame.own += delta
  })
  return root

  function pathTo(id: number): string[] {
    const path: string[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const call = byId.get(at)?.callFrame
      if (call && call.functionName !== '(root)') path.unshift(nameOf(call))
    }
    return path
  }
}

function nameOf({ functionName, url }: { functionName: string; url: string }): string {
  const place = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/src\//, 'src/')
  const name = functionName || '(anonymous)'
  return place ? `${name} ${place}` : name
}

function box({ name }: Frame, { x, y, width, share }: { x: number; y: number; width: number; share: number }): string {
  const place = /^\S* (\S*[/:]\S*)$/.exec(name)?.[1] ?? ''
  const kind = place.startsWith('src/') ? 'own' : place.startsWith('node:') ? 'node' : place ? 'library' : 'native'
  const label = name.slice(0, Math.max(0, Math.floor((width - 4) / 6)))
  const text = label.length > 2 ? `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${inXml(label)}</text>` : ''
  const tip = `<title>${inXml(name)}: ${(share * 100).toFixed(1)}%</title>`
  return `<g><rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[kind]}">${tip}</rect>${text}</g>`
}

const inXml = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
