import { createServer, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServedCall, ServiceMode } from './service.ts'

// The service that the tasks call, in a process of its own: it writes down who called when. It says its port.

const LATENCY_MS = 5
const calls: ServedCall[] = []
const hanging: ServerResponse[] = []
let mode: ServiceMode = 'down'

async function serve(url: URL, response: ServerResponse): Promise<void> {
  const run = url.searchParams.get('run') ?? ''
  const attempt = Number(url.searchParams.get('attempt'))
  const pid = Number(url.searchParams.get('pid'))
  const call = { at: Date.now(), run, attempt, pid, mode }
  calls.push(call)
  if (call.mode === 'hangs') {
    hanging.push(response)
    return
  }
  await sleep(LATENCY_MS)
  response.statusCode = call.mode === 'up' ? 200 : 503
  response.end()
}

function setMode(next: string | null): void {
  mode = next === 'up' || next === 'hangs' ? next : 'down'
  for (const response of hanging.splice(0)) response.destroy()
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', 'http://service')
  if (url.pathname === '/call') return await serve(url, response)
  if (url.pathname === '/mode') setMode(url.searchParams.get('is'))
  response.end(JSON.stringify(calls))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' ? address?.port : '')
})
