// Walks every tool through a TypeScript SDK client.  Usage: typescript.mjs sdk | client | client-modern
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { MCP_URL, TOKEN, READ_TOKEN, PACKAGES } = process.env
const walk = JSON.parse(readFileSync(new URL('walk.json', import.meta.url)))

// The packages are in target/interop, where an `import` written in this directory would not look.
const require = createRequire(`${PACKAGES}/`)
const kinds = {
  sdk: {
    package: '@modelcontextprotocol/sdk',
    modules: ['@modelcontextprotocol/sdk/client/index.js', '@modelcontextprotocol/sdk/client/streamableHttp.js'],
    revision: '2025-11-25',
  },
  client: {
    package: '@modelcontextprotocol/client',
    modules: ['@modelcontextprotocol/client'],
    revision: '2025-11-25',
  },
  // `auto` probes with server/discover, and falls back to initialize unless the answer is convincing.
  'client-modern': {
    package: '@modelcontextprotocol/client',
    modules: ['@modelcontextprotocol/client'],
    options: { versionNegotiation: { mode: 'auto' } },
    revision: '2026-07-28',
  },
}
const kind = kinds[process.argv[2]]
const { Client, StreamableHTTPClientTransport } = Object.assign({}, ...kind.modules.map(require))
const { version } = JSON.parse(readFileSync(`${PACKAGES}/node_modules/${kind.package}/package.json`))

let answered // the last answer to a POST: clients tell less about a 401 or a 403 than the server said
async function rememberingFetch(url, init) {
  const response = await fetch(url, init)
  if (init.method === 'POST') {
    answered = { status: response.status, challenge: response.headers.get('www-authenticate') }
  }
  return response
}

async function connect(token) {
  const client = new Client({ name: 'epicme-interop', version: '1' }, kind.options)
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  await client.connect(
    new StreamableHTTPClientTransport(new URL(MCP_URL), { requestInit: { headers }, fetch: rememberingFetch }),
  )
  return client
}

/** Objects may hold more than what is expected of them; everything else is exact. */
function expectSubset(actual, expected, at) {
  if (expected === '<absent>') assert.equal(actual, undefined, at)
  else if (expected === '<string>') assert.equal(typeof actual, 'string', at)
  else if (expected === '<integer>') assert.ok(Number.isInteger(actual), `${at}: ${actual} is no integer`)
  else if (expected === '<array>') assert.ok(Array.isArray(actual), `${at} is no array`)
  else if (Array.isArray(expected)) {
    assert.equal(actual?.length, expected.length, `${at}: length is ${actual?.length}, not ${expected.length}`)
    expected.forEach((item, index) => expectSubset(actual[index], item, `${at}[${index}]`))
  } else if (expected !== null && typeof expected === 'object') {
    assert.ok(actual !== null && typeof actual === 'object', `${at} is no object`)
    for (const key of Object.keys(expected)) expectSubset(actual[key], expected[key], `${at}.${key}`)
  } else assert.equal(actual, expected, `${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)
}

let cursor // the last nextCursor that any list gave
async function take(client, step) {
  const args = { ...step.arguments }
  if (args.cursor === '<nextCursor>') args.cursor = cursor
  const result = await client.callTool({ name: step.tool, arguments: args })
  const texts = result.content.filter((block) => block.type === 'text').map((block) => block.text)
  if (step.error) {
    assert.equal(result.isError, true, `no error but ${JSON.stringify(result.structuredContent)}`)
    assert.match(texts[0], new RegExp(step.error))
    return
  }
  assert.ok(!result.isError, texts[0])
  cursor = result.structuredContent.nextCursor ?? cursor
  expectSubset(result.structuredContent, step.result, 'result')
  assert.deepEqual(JSON.parse(texts.at(-1)), result.structuredContent, 'the last text is not the result as JSON')
  if (step.says) assert.match(texts[0], new RegExp(step.says))
  const links = result.content.filter((block) => block.type === 'resource_link').map((block) => block.uri)
  if (step.links) assert.deepEqual(links, step.links)
}

let passed = 0
let failed = 0
async function check(claim, work) {
  try {
    await work()
    passed += 1
  } catch (error) {
    failed += 1
    console.log(`  FAILED ${claim}\n         ${error.message.replaceAll('\n', '\n         ')}`)
  }
}

console.log(`${kind.package} ${version}, revision ${kind.revision}`)

const client = await connect(TOKEN)
await check('speaks the revision, with the server named', () => {
  // v1 keeps the revision on its transport, v2 on the client.
  const revision = client.getNegotiatedProtocolVersion?.() ?? client.transport.protocolVersion
  assert.equal(revision, kind.revision)
  assert.equal(client.getServerVersion().name, 'epicme')
  assert.ok(client.getServerCapabilities().tools)
})
await check('lists the tools that are walked, and no others', async () => {
  const { tools } = await client.listTools()
  const walked = new Set(walk.map((step) => step.tool))
  assert.deepEqual(tools.map((tool) => tool.name).sort(), [...walked].sort())
})
for (const step of walk) {
  await check(`${step.tool} ${JSON.stringify(step.arguments)}`, () => take(client, step))
}
await check('an unknown tool is a protocol error', async () => {
  await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }), { code: -32602 })
})
if (kind.revision < '2026') await check('answers ping', () => client.ping())
await client.close()

await check('no token: 401 with a challenge', async () => {
  await assert.rejects(connect(undefined))
  assert.equal(answered.status, 401)
  assert.match(answered.challenge, /^Bearer .*resource_metadata="/)
})
await check('too narrow a token: 403 that names the missing scope', async () => {
  const reader = await connect(READ_TOKEN)
  await assert.rejects(reader.callTool({ name: 'create_tag', arguments: { name: 'forbidden' } }))
  assert.equal(answered.status, 403)
  assert.match(answered.challenge, /error="insufficient_scope"/)
  assert.match(answered.challenge, /[ ,]scope="tags:write"/)
  const result = await reader.callTool({ name: 'list_tags', arguments: {} })
  assert.equal(result.structuredContent.total, 1, 'the refused tag was written')
  await reader.close()
})

console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
