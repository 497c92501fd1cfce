// Walks every tool and every other feature through a TypeScript SDK client.  Usage: typescript.mjs sdk | client | client-modern
// With `OVER_STDIO` the client starts `epicme stdio` in place of opening the URL.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { check, expectSubset, finish } from './check.mjs'

const { MCP_URL, TOKEN, READ_TOKEN, PACKAGES, EPICME, DATABASE, OVER_STDIO } = process.env
const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url)))
const walk = read('walk.json')
const features = read('features.json')

// The packages are in target/interop, where an `import` written in this directory would not look.
const require = createRequire(`${PACKAGES}/`)
const kinds = {
  sdk: {
    package: '@modelcontextprotocol/sdk',
    modules: ['client/index.js', 'client/streamableHttp.js', 'client/stdio.js', 'types.js'].map((name) => `@modelcontextprotocol/sdk/${name}`),
    question: ({ ElicitRequestSchema }) => ElicitRequestSchema, // v1 names methods by their schemas
    revision: '2025-11-25',
  },
  client: {
    package: '@modelcontextprotocol/client',
    modules: ['@modelcontextprotocol/client', '@modelcontextprotocol/client/stdio'],
    revision: '2025-11-25',
    newerCodes: true, // v2 tells of a resource that isn't there by the code of the newer revision
  },
  // `auto` probes with server/discover, and falls back to initialize unless the answer is convincing.
  'client-modern': {
    package: '@modelcontextprotocol/client',
    modules: ['@modelcontextprotocol/client', '@modelcontextprotocol/client/stdio'],
    options: { versionNegotiation: { mode: 'auto' } },
    revision: '2026-07-28',
  },
}
const kind = kinds[process.argv[2]]
const sdk = Object.assign({}, ...kind.modules.map(require))
const { Client, StreamableHTTPClientTransport, StdioClientTransport } = sdk
const modern = kind.revision >= '2026'
const { version } = JSON.parse(readFileSync(`${PACKAGES}/node_modules/${kind.package}/package.json`))

let answered // the last answer to a POST: clients tell less about a 401 or a 403 than the server said
async function rememberingFetch(url, init) {
  const response = await fetch(url, init)
  if (init.method === 'POST') {
    answered = { status: response.status, challenge: response.headers.get('www-authenticate') }
  }
  return response
}

/** With a `person`, who is asked by the server's questions, the client says that it can ask. */
async function connect(token, person) {
  const capabilities = person ? { elicitation: {} } : {}
  const client = new Client({ name: 'epicme-interop', version: '1' }, { ...kind.options, capabilities })
  if (person) client.setRequestHandler(kind.question?.(sdk) ?? 'elicitation/create', person)
  await client.connect(transport(token))
  return client
}

function transport(token) {
  if (OVER_STDIO) {
    const env = token ? { EPICME_TOKEN: token } : {}
    return new StdioClientTransport({ command: EPICME, args: ['stdio', '--database', DATABASE], env, stderr: 'ignore' })
  }
  const headers = token ? { Authorization: `Bearer ${token}` } : {}
  return new StreamableHTTPClientTransport(new URL(MCP_URL), { requestInit: { headers }, fetch: rememberingFetch })
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

const asked = [] // what the person was asked
let answer // and answers
const person = ({ params }) => {
  asked.push(params.message)
  return answer
}

/** As `take`, with a person who may be asked before the tool does it. */
async function takeAsking(client, step) {
  answer = step.answer
  for (let n = 1; n <= (step.times ?? 1); n++) {
    const text = JSON.stringify(step.arguments).replace('<n>', n)
    await take(client, { ...step, arguments: JSON.parse(text) })
  }
  const questions = asked.splice(0)
  assert.equal(questions.length, step.asked ? 1 : 0, `asked ${questions}`)
  if (step.asked) assert.match(questions[0], new RegExp(step.asked))
}

const requests = {
  'resources/list': (client) => all(client, 'listResources', 'resources'),
  'resources/templates/list': (client) => all(client, 'listResourceTemplates', 'resourceTemplates'),
  'resources/read': (client, params) => client.readResource(params),
  'prompts/list': (client) => all(client, 'listPrompts', 'prompts'),
  'prompts/get': (client, params) => client.getPrompt(params),
  'completion/complete': (client, params) => client.complete(params),
}

/** The pages of a list as one; v2 joins them itself. */
async function all(client, method, items) {
  const pages = []
  for (let nextCursor; pages.length === 0 || nextCursor; { nextCursor } = pages.at(-1)) {
    pages.push(await client[method](nextCursor && { cursor: nextCursor }))
  }
  return { [items]: pages.flatMap((page) => page[items]) }
}

async function request(client, step) {
  const work = requests[step.method](client, step.params)
  if (!step.error) return expectSubset(await work, step.result, 'result')
  await assert.rejects(work, (error) => {
    const code = modern || kind.newerCodes ? step.error : (step.legacyError ?? step.error)
    assert.equal(error.code, code, error.message)
    if (step.data) assert.deepEqual(error.data, step.data)
    return true
  })
}

console.log(`${kind.package} ${version}, revision ${kind.revision}${OVER_STDIO ? ', over stdio' : ''}`)

const client = await connect(TOKEN)
await check('speaks the revision, with the server named', () => {
  // v1 keeps the revision on its transport, v2 on the client.
  const revision = client.getNegotiatedProtocolVersion?.() ?? client.transport.protocolVersion
  // Over stdio v1 keeps it nowhere.
  if (!OVER_STDIO || revision) assert.equal(revision, kind.revision)
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
if (!modern) await check('answers ping', () => client.ping())

const asking = await connect(TOKEN, person)
for (const step of features.steps) {
  const claim = `${step.method ?? step.tool} ${JSON.stringify(step.params ?? step.arguments ?? {})}`
  await check(claim, () => (step.method ? request : takeAsking)(asking, step))
}
if (modern) {
  const { subscription: wished } = features
  const heard = new Set()
  const subscription = await asking.listen(wished.asked)
  await check('the subscription is honored as far as it can be', () => {
    expectSubset(subscription.honoredFilter, wished.honored, 'honored')
  })
  asking.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.add(params.uri))
  asking.setNotificationHandler('notifications/resources/list_changed', () => void heard.add('list_changed'))
  for (const { tool, arguments: args, events } of wished.changes) {
    await check(`${tool} by another client is heard as ${events}`, async () => {
      const result = await client.callTool({ name: tool, arguments: args })
      assert.ok(!result.isError, JSON.stringify(result.content))
      for (let patience = 500; patience > 0 && !events.every((event) => heard.has(event)); patience--) {
        await setTimeout(10)
      }
      assert.deepEqual([...heard].sort(), events)
      heard.clear()
    })
  }
  await check('the subscription ends when the client closes it', async () => {
    await subscription.close()
    assert.equal(await subscription.closed, 'local')
  })
} else {
  await check('declares no subscriptions, and refuses one', async () => {
    assert.deepEqual(asking.getServerCapabilities().resources, {})
    await assert.rejects(asking.subscribeResource({ uri: 'epicme://tags' }))
  })
}
await asking.close()
await client.close()

await check('no token: 401 with a challenge', async () => {
  if (OVER_STDIO) return assert.rejects(connect(undefined), /EPICME_TOKEN isn't set: make a token by/)
  await assert.rejects(connect(undefined))
  assert.equal(answered.status, 401)
  assert.match(answered.challenge, /^Bearer .*resource_metadata="/)
})
await check('too narrow a token: 403 that names the missing scope', async () => {
  const reader = await connect(READ_TOKEN)
  const call = reader.callTool({ name: 'create_tag', arguments: { name: 'forbidden' } })
  await assert.rejects(call, OVER_STDIO ? /create_tag needs tags:write/ : undefined)
  if (!OVER_STDIO) {
    assert.equal(answered.status, 403)
    assert.match(answered.challenge, /error="insufficient_scope"/)
    assert.match(answered.challenge, /needs tags:write", scope="entries:read tags:read tags:write"/)
  }
  const result = await reader.callTool({ name: 'list_tags', arguments: {} })
  const names = result.structuredContent.tags.map((tag) => tag.name)
  assert.ok(!names.includes('forbidden'), 'the refused tag was written')
  await reader.close()
})

finish()
