import { describe, expect, test } from 'vitest'
import { drawFlow, drawRun } from '../../src/drawing/drawing.ts'
import { renderMermaid } from '../../src/drawing/mermaid.ts'
import { EVERY_KIND, graphOf, MAPS, WITH_RUNS } from './flows.ts'

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

  test('draws what is done for each item between its map and its group', () => {
    const rows = renderMermaid(drawFlow(MAPS)).split('\n')
    expect(rows.slice(4, 9)).toEqual([
      '  n0(["load[]"])',
      '  n1["load[*]"]',
      '  n2(["load"])',
      '  n3["check[*]<br/>copy"]',
      '  n4(["check<br/>tolerates 10 %"])',
    ])
    expect(rows.filter((row) => /n[0-4] -/.test(row))).toEqual([
      '  n0 --> n1',
      '  n1 --> n2',
      '  n1 --> n3',
      '  n3 --> n4',
      '  n4 --> n15',
    ])
  })

  test('draws a node that waits for a run as a box with two more lines', () => {
    expect(`\n${renderMermaid(drawFlow(WITH_RUNS))}\n`).toMatchInlineSnapshot(`
      "
      ---
      title: "with-runs"
      ---
      flowchart TD
        n0[["small<br/>run of small"]]
        n1[["last<br/>run of small, queue far"]]
        n2["report"]
        n0 --> n1
        n0 --> n2
        n1 --> n2
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
