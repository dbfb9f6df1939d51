import { describe, expect, test } from 'vitest'
import { drawFlow, drawRun } from '../../src/drawing/drawing.ts'
import { renderSvg } from '../../src/drawing/svg.ts'
import { EVERY_KIND, fanOf, MAPS } from './flows.ts'

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function boxesOf(svg: string): Box[] {
  const rects = svg.matchAll(/<rect x="([\d.-]+)" y="([\d.-]+)" width="(\d+)" height="(\d+)"/g)
  return [...rects].map(([, x, y, width, height]) => {
    return { x: Number(x), y: Number(y), width: Number(width), height: Number(height) }
  })
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

function sizeOf(svg: string): [number, number] {
  const [, width = '', height = ''] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []
  return [Number(width), Number(height)]
}

describe('renderSvg', () => {
  test('draws a box for each node and a line for each edge, dashed after a failure', () => {
    const svg = renderSvg(drawFlow(EVERY_KIND))
    const edges = EVERY_KIND.nodes.flatMap(({ upstreams }) => upstreams)
    expect(boxesOf(svg)).toHaveLength(EVERY_KIND.nodes.length)
    expect(svg.match(/marker-end/g)).toHaveLength(edges.length)
    expect(svg.match(/stroke-dasharray="5 4" marker-end/g)).toHaveLength(2)
  })

  test('puts no node upon another, and all of them inside', () => {
    for (const graph of [EVERY_KIND, MAPS, fanOf(20)]) {
      const svg = renderSvg(drawFlow(graph))
      const [width, height] = sizeOf(svg)
      const boxes = boxesOf(svg)
      for (const [i, box] of boxes.entries()) {
        expect(box.x).toBeGreaterThanOrEqual(0)
        expect(box.y).toBeGreaterThanOrEqual(0)
        expect(box.x + box.width).toBeLessThanOrEqual(width)
        expect(box.y + box.height).toBeLessThanOrEqual(height)
        expect(boxes.slice(i + 1).filter((other) => overlap(box, other))).toEqual([])
      }
    }
  })

  test('lets a broad graph flow to the right', () => {
    const [width, height] = sizeOf(renderSvg(drawFlow(fanOf(100))))
    expect(width).toBeLessThan(800)
    expect(height).toBeGreaterThan(5_000)
  })

  test('refuses what nobody could follow', () => {
    expect(() => renderSvg(drawFlow(fanOf(299)))).toThrow(
      /expected at most 300 nodes for an SVG, got 301\. Use the format terminal/,
    )
  })

  test('escapes what a text may hold, and cuts what is too long', () => {
    const svg = renderSvg(
      drawRun(EVERY_KIND, 'a <b> & "c"', () => ({
        state: 'failed',
        text: `<&">${'x'.repeat(60)}`,
      })),
    )
    expect(svg).toContain('a &lt;b&gt; &amp; &quot;c&quot;</title>')
    expect(svg).toContain('&lt;&amp;&quot;&gt;xxxx')
    expect(svg).toContain(`${'x'.repeat(35)}…</tspan>`)
    expect(svg).not.toMatch(/<b>/)
  })

  test('colours nodes by their state', () => {
    const states = ['succeeded', 'failed'] as const
    const svg = renderSvg(
      drawRun(EVERY_KIND, 'run', (index) => ({ state: states[index] ?? 'pending', text: '' })),
    )
    const fills = [...svg.matchAll(/rx="\d+" fill="(#\w+)"/g)].map(([, fill]) => fill)
    expect(new Set(fills).size).toBe(3)
  })
})
