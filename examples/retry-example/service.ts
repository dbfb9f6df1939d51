// A real HTTP service that is down for the first requests:
//   npx tsx examples/retry-example/service.ts --failures 2 --retry-after 1 [--port 8080]
// It prints one line of JSON: {"port":8080}, and then one for every request.
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    failures: { type: 'string', default: '2' },
    'retry-after': { type: 'string', default: '1' },
    port: { type: 'string', default: '0' },
  },
})
const failures = Number(values.failures)

let requests = 0

const server = createServer((request, response) => {
  requests++
  request.resume()
  const isDown = requests <= failures
  if (isDown)
    response.writeHead(503, { 'retry-after': values['retry-after'] }).end('come back later')
  else response.writeHead(200, { 'content-type': 'text/plain' }).end(`thanks, request ${requests}`)
  console.log(JSON.stringify({ request: requests, status: response.statusCode }))
})

server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(JSON.stringify({ port: address?.port }))
})

process.once('SIGTERM', () => {
  server.closeAllConnections()
  server.close()
})
