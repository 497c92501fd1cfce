// The whole OAuth flow through a TypeScript SDK client, from nothing but the URL.
// Usage: oauth.mjs sdk | client | client-modern
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { check, finish } from './check.mjs'
import { allow } from './person.mjs'

const { MCP_URL, PACKAGES } = process.env
const origin = new URL(MCP_URL).origin

// The packages are in target/interop, where an `import` written in this directory would not look.
const require = createRequire(`${PACKAGES}/`)
const kinds = {
  sdk: {
    package: '@modelcontextprotocol/sdk',
    modules: ['client/index.js', 'client/streamableHttp.js', 'client/auth.js'],
    finish: (transport, callback) => transport.finishAuth(callback.get('code')),
    // On a 403 it refreshes, whatever the challenge says, and gives up when that has not helped.
    stepsUp: false,
  },
  client: {
    package: '@modelcontextprotocol/client',
    modules: [''],
    finish: (transport, callback) => transport.finishAuth(callback), // checks `iss`
    stepsUp: true,
  },
}
// Here the first request, which meets the 401, is server/discover.
kinds['client-modern'] = { ...kinds.client, options: { versionNegotiation: { mode: 'auto' } } }
const kind = kinds[process.argv[2]]
const modules = kind.modules.map((module) => require(`${kind.package}/${module}`.replace(/\/$/, '')))
const { Client, StreamableHTTPClientTransport, UnauthorizedError, auth } = Object.assign({}, ...modules)
const { version } = JSON.parse(readFileSync(`${PACKAGES}/node_modules/${kind.package}/package.json`))

let requests = [] // `POST /token 200`, since the last look
async function rememberingFetch(url, init) {
  const response = await fetch(url, init)
  requests.push(`${init?.method ?? 'GET'} ${new URL(url).pathname} ${response.status}`)
  return response
}
const seen = () => requests.splice(0)

/** Keeps in memory what a client would keep on disk. */
class Provider {
  redirectUrl = 'http://localhost:1/callback'
  clientMetadata = {
    client_name: `epicme-interop ${process.argv[2]}`,
    redirect_uris: ['http://localhost:1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }
  state = () => (this.stateSent = crypto.randomUUID())
  clientInformation = () => this.client
  saveClientInformation = (client) => (this.client = client)
  tokens = () => this.kept
  saveTokens = (tokens) => (this.kept = tokens)
  redirectToAuthorization = (url) => (this.authorizeUrl = url)
  saveCodeVerifier = (verifier) => (this.verifier = verifier)
  codeVerifier = () => this.verifier
  saveDiscoveryState = (discovery) => (this.discovery = discovery)
  discoveryState = () => this.discovery
  invalidateCredentials(which) {
    if (which === 'all' || which === 'client') this.client = undefined
    if (which === 'all' || which === 'tokens') this.kept = undefined
    if (which === 'all' || which === 'discovery') this.discovery = undefined
  }
}
const provider = new Provider()
const newTransport = () =>
  new StreamableHTTPClientTransport(new URL(MCP_URL), { authProvider: provider, fetch: rememberingFetch })
const newClient = () => new Client({ name: 'epicme-interop', version: '1' }, kind.options)

/** The person allows it, or of it what is wanted, and the client takes the code. Gives what it asked for. */
async function authorize(transport, wanted) {
  const { redirect, scopes } = await allow(provider.authorizeUrl, wanted)
  assert.equal(redirect.origin + redirect.pathname, provider.redirectUrl)
  assert.equal(redirect.searchParams.get('state'), provider.stateSent)
  assert.equal(redirect.searchParams.get('iss'), origin)
  await kind.finish(transport, redirect.searchParams)
  return scopes
}

async function call(client, tool, args = {}) {
  const result = await client.callTool({ name: tool, arguments: args })
  assert.ok(!result.isError, JSON.stringify(result.content))
  return result.structuredContent
}

console.log(`${kind.package} ${version}, OAuth from nothing`)
const reading = 'user:read entries:read tags:read'
// Only a client of 2026-07-28 is told to ask for reading at first. To the others the person allows no more than that.
const isModern = Boolean(kind.options)
const initial = isModern ? reading : 'user:read entries:read entries:write tags:read tags:write'
let transport = newTransport()

await check('401, discovery, registration, and a URL for the person', async () => {
  await assert.rejects(newClient().connect(transport), UnauthorizedError)
  assert.deepEqual(seen(), [
    'POST /mcp 401',
    'GET /.well-known/oauth-protected-resource/mcp 200',
    'GET /.well-known/oauth-authorization-server 200',
    'POST /register 201',
  ])
  const { pathname, searchParams } = provider.authorizeUrl
  assert.equal(pathname, '/authorize')
  assert.equal(searchParams.get('scope'), initial)
  assert.equal(searchParams.get('resource'), MCP_URL)
  assert.equal(searchParams.get('code_challenge_method'), 'S256')
})
await check('sign-in and consent give a code, and the code tokens', async () => {
  assert.deepEqual(await authorize(transport, reading.split(' ')), initial.split(' '))
  assert.equal(provider.kept.token_type.toLowerCase(), 'bearer')
  assert.equal(provider.kept.expires_in, 900)
  assert.deepEqual(provider.kept.scope.split(' ').sort(), reading.split(' ').sort())
})

let client = newClient()
transport = newTransport()
await check('the tokens are good for a call', async () => {
  await client.connect(transport)
  assert.equal((await call(client, 'whoami')).user.email, process.env.EMAIL)
})
await check(`403 step-up: the SDK ${kind.stepsUp ? 'asks' : 'is made to ask'} for more, and gets it`, async () => {
  seen()
  const before = provider.authorizeUrl
  const create = () => call(client, 'create_entry', { title: 'Allowed later', content: 'x' })
  if (kind.stepsUp) {
    await assert.rejects(create(), UnauthorizedError)
  } else {
    await assert.rejects(create(), { code: 403 })
    provider.kept = undefined
    assert.equal(await auth(provider, { serverUrl: MCP_URL, scope: `${reading} entries:write` }), 'REDIRECT')
  }
  assert.ok(seen().includes('POST /mcp 403'))
  assert.notEqual(provider.authorizeUrl, before)
  const asked = [...reading.split(' '), 'entries:write'].sort()
  assert.deepEqual(provider.authorizeUrl.searchParams.get('scope').split(' ').sort(), asked)
  assert.deepEqual((await authorize(transport)).sort(), asked)
  assert.equal((await create()).entry.title, 'Allowed later')
  assert.ok(!seen().includes('POST /register 201'), 'it registered again')
})
await check('an access token that is not good any more is refreshed, and the refresh token rotated', async () => {
  seen()
  const before = provider.kept
  provider.kept = { ...before, access_token: `em_at_${'x'.repeat(43)}` }
  assert.equal((await call(client, 'list_entries')).total, 1)
  const requests = seen()
  assert.equal(requests[0], 'POST /mcp 401')
  assert.deepEqual(requests.slice(-2), ['POST /token 200', 'POST /mcp 200'])
  assert.notEqual(provider.kept.refresh_token, before.refresh_token)
  assert.notEqual(provider.kept.access_token, before.access_token)
  assert.equal(provider.kept.scope, before.scope)
})
let granted
await check('after revocation the next call is refused, and so is the refresh', async () => {
  granted = provider.kept
  const form = new URLSearchParams({ token: provider.kept.refresh_token, client_id: provider.client.client_id })
  const revoked = await fetch(`${origin}/revoke`, { method: 'POST', body: form })
  assert.equal(revoked.status, 200)
  seen()
  const before = provider.authorizeUrl
  await assert.rejects(call(client, 'list_entries'), UnauthorizedError)
  const requests = seen()
  assert.equal(requests[0], 'POST /mcp 401')
  assert.ok(requests.includes('POST /token 400'), `${requests}`)
  assert.ok(!requests.includes('POST /mcp 200'), `${requests}`)
  assert.notEqual(provider.authorizeUrl, before) // the person is asked again
})
await check('a registration that is gone heals itself', async () => {
  // What the server does not know (any more) is `invalid_client`; here the id was never there.
  seen()
  provider.client = { ...provider.client, client_id: `c_${'x'.repeat(22)}` }
  provider.kept = { ...granted, refresh_token: `em_rt_${'x'.repeat(43)}` }
  await assert.rejects(newClient().connect(newTransport()), UnauthorizedError)
  const requests = seen()
  assert.ok(requests.includes('POST /token 401'), `${requests}`)
  assert.ok(requests.includes('POST /register 201'), `${requests}`)
})
await client.close()

finish()
