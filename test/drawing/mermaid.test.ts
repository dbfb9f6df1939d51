import { describe, expect, test } from 'vitest'
import { drawFlow, drawRun } from '../../src/drawing/drawing.ts'
import { renderMermaid } from '../../src/drawing/mermaid.ts'
import { EVERY_KIND, graphOf } from './flows.ts'

describe('renderMermaid', () => {
  test('draws every kind of node', () => {
    expect(`\n${renderMermaid(drawFlow(EVERY_KIND))}\n`).toMatchInlineSnapshot(`
      "
      ---
      title: "every-kind"
      ---
      flowchart TD
        n0["load"]
        n1["ping"]
        n2(["gate"])
        n3["copy"]
        n4(["join"])
        n5["alarm<br/>any_failed, queue urgent"]
        n6(["settled"])
        n7["last<br/>report, delay 1000 ms"]
        n0 --> n1
        n1 -.-> n2
        n2 --> n3
        n1 --> n4
        n3 --> n4
        n0 -.-> n5
        n0 --> n6
        n4 --> n7
        n6 --> n7
      "
    `)
  })

  test('gives a class to each state that occurs', () => {
    const states = ['succeeded', 'failed'] as const
    const text = renderMermaid(
      drawRun(graphOf([[], [0]]), 'run', (index) => ({
        state: states[index] ?? 'pending',
        text: 'x',
      })),
    )
    expect(text).toContain('n0["node-0<br/>x"]:::succeeded')
    expect(text).toContain('n1["node-1<br/>x"]:::failed')
    expect(text.match(/classDef \w+/g)).toEqual(['classDef succeeded', 'classDef failed'])
  })

  test('escapes what Mermaid would read', () => {
    const text = renderMermaid(
      drawRun(graphOf([[]]), 'a "b"', () => ({ state: 'failed', text: '#1 "<b>"' })),
    )
    expect(text).toContain('title: "a \\"b\\""')
    expect(text).toContain('#35;1 #quot;#lt;b#gt;#quot;')
  })
})
