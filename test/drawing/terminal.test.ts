import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Drawing, drawFlow, drawRun } from '../../src/drawing/drawing.ts'
import { renderTerminal } from '../../src/drawing/terminal.ts'
import { EVERY_KIND, fanOf, graphOf, MAPS } from './flows.ts'
import { reachedFrom } from './trace-lines.ts'

function render(drawing: Drawing, columns = 100): string {
  return renderTerminal(drawing, { columns, paint: (_state, text) => text })
}

function widest(text: string): number {
  return Math.max(...text.split('\n').map((row) => row.length))
}

describe('renderTerminal', () => {
  test('draws every kind of node', () => {
    expect(`\n${render(drawFlow(EVERY_KIND))}\n`).toMatchInlineSnapshot(`
      "
      every-kind

                              ╭───────╮
                              │ load  │
                              ╰───┬───╯
             ╭────────────────────┼────────────────╮
             ▼                    ▼                │
         ╭───────╮  ╭───────────────────────────╮  │
         │ ping  │  │ alarm                     │  │
         ╰───┬───╯  │ any_failed, queue urgent  │  │
             │      ╰───────────────────────────╯  │
          ╭──┴─────────────────╮                   │
          ▼                    │                   │
       ◇ gate                  │                   │
          ▼                    │                   │
      ╭───────╮                │                   │
      │ copy  │                │                   │
      ╰───┬───╯                │                   │
          ╰──┬─────────────────╯                   │
             ▼                                     ▼
          ◇ join                               ◇ settled
             ╰──────────────────┬──────────────────╯
                                ▼
                    ╭───────────────────────╮
                    │ last                  │
                    │ report, delay 1000 ms │
                    ╰───────────────────────╯
      "
    `)
  })

  test('draws what is done for each item between its map and its group', () => {
    expect(`\n${render(drawFlow(MAPS))}\n`).toMatchInlineSnapshot(`
      "
      maps

                                    ◇ shop[]
                                        ▼
                                ╭───────────────╮
                                │ shop[*]/ping  │
                                ╰───────┬───────╯
                                   ╭────┴─────╮
                                   │          ▼
                                   │   ◇ shop[*]/gate
                                   │          ▼
                                   │  ╭───────────────╮
                                   │  │ shop[*]/copy  │
                                   │  ╰───────┬───────╯
                                   ╰────┬─────╯
                                        ▼
                                 ◇ shop[*]/join
                                  ╭─────┴──────╮
                                  │            ▼
                 ◇ load[]         │    ◇ shop[*]/alarm[]
                     ▼            │            ▼
                ╭─────────╮       │  ╭───────────────────╮
                │ load[*] │       │  │ shop[*]/alarm[*]  │
                ╰────┬────╯       │  ╰─────────┬─────────╯
              ╭──────┴─────╮      │            │
              ▼            ▼      │            ▼
        ╭───────────╮   ◇ load    │     ◇ shop[*]/alarm
        │ check[*]  │             │            │
        │ copy      │             │            │
        ╰─────┬─────╯             │            │
              │                   ╰─────┬──────╯
              ▼                         ▼
       ◇ check                   ◇ shop[*]/item
       tolerates 10 %                   │
              ▼                         ▼
         ◇ succeeded               ◇ shop
              │                    tolerates 3
              ╰────────────────┬────────╯
                               ▼
                          ╭─────────╮
                          │ report  │
                          ╰─────────╯
      "
    `)
  })

  test('lets a broad graph flow to the right', () => {
    expect(`\n${render(drawFlow(fanOf(4)), 49)}\n`).toMatchInlineSnapshot(`
      "
      fan

                   ╭─────────╮
                   │ part-0  │
                ╭─▶│ ping    ├─╮
                │  ╰─────────╯ │
                │              │
                │  ╭─────────╮ │
                │  │ part-1  │ │
                ├─▶│ ping    ├─┤
                │  ╰─────────╯ │
      ╭───────╮ │              │  ╭─────────╮
      │ load  ├─┤  ╭─────────╮ ├─▶│ report  │
      ╰───────╯ │  │ part-2  │ │  ╰─────────╯
                ├─▶│ ping    ├─┤
                │  ╰─────────╯ │
                │              │
                │  ╭─────────╮ │
                │  │ part-3  │ │
                ╰─▶│ ping    ├─╯
                   ╰─────────╯
      "
    `)
  })

  test('draws a hundred nodes side by side as lines', () => {
    const text = render(drawFlow(fanOf(100)))
    expect(text.match(/▶ part-\d+ {2}ping ─+[┤╮╯┼]/g)).toHaveLength(100)
    expect(text).toMatch(/^ load ─[┤┼]/m)
    expect(text).toMatch(/[├┼]─▶ report$/m)
    expect(text.split('\n')).toHaveLength(102)
  })

  test('lists what fits in no other form', () => {
    expect(`\n${render(drawFlow(EVERY_KIND), 24)}\n`).toMatchInlineSnapshot(`
      "
      every-kind

      load
      ping
        ← load
      ◇ gate
        ← ping
      copy
        ← gate
      ◇ join
        ← ping, copy
      alarm  any_failed, queu…
        ← load
      ◇ settled
        ← load
      last  report, delay 100…
        ← join, settled
      "
    `)
  })

  test('lists more nodes than anybody can follow lines between', () => {
    const text = render(drawFlow(fanOf(400)))
    expect(text).toContain('\npart-399  ping\n  ← load\n')
    expect(text).not.toContain('▶')
  })

  test.each([20, 40, 60, 80, 120])('stays within %d columns', (columns) => {
    const names = drawRun(EVERY_KIND, 'run', () => ({
      state: 'upstream_failed',
      text: `upstream failed (${'a-very-long-name/'.repeat(8)})`,
    }))
    for (const drawing of [names, drawFlow(fanOf(7)), drawFlow(EVERY_KIND)]) {
      expect(widest(render(drawing, columns))).toBeLessThanOrEqual(columns)
    }
  })

  test('paints each node by its state, and no line', () => {
    const drawing = drawRun(EVERY_KIND, 'run', (index) => ({
      state: index === 0 ? 'failed' : 'pending',
      text: index === 0 ? 'broken' : 'waits',
    }))
    const painted: [unknown, string][] = []
    renderTerminal(drawing, {
      columns: 100,
      paint: (state, text) => {
        painted.push([state, text])
        return text
      },
    })
    const failed = painted.flatMap(([state, text]) => (state === 'failed' ? [text] : []))
    expect(failed).toEqual(['╭─────────╮', '│ load    │', '│ broken  │', '╰────┬────╯'])
    expect(painted.filter(([state, text]) => state === null && /load|waits/.test(text))).toEqual([])
  })

  test('shows every edge of any graph, and every node', { timeout: 60_000 }, () => {
    const upstreams = fc.array(fc.array(fc.nat(), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 14,
    })
    fc.assert(
      fc.property(upstreams, (lists) => {
        const graph = graphOf(
          lists.map((list, i) =>
            [...new Set(i === 0 ? [] : list.map((n) => n % i))].sort((a, b) => a - b),
          ),
        )
        const picture = render(drawFlow(graph), 10_000)
        for (const [index, node] of graph.nodes.entries()) {
          expect(picture).toContain(node.key)
          const reached = reachedFrom(picture, node.key)
          const next = graph.nodes.filter(({ upstreams }) => upstreams.includes(index))
          for (const { key } of next)
            expect([key, [...reached]]).toEqual([key, expect.arrayContaining([key])])
        }
      }),
      { numRuns: 300 },
    )
  })
})
