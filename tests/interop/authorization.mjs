// Runs the official conformance suite's scenarios for an authorization server, with a client that registers itself.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { allow } from './person.mjs'
import { freePort } from './ports.mjs'

const { MCP_URL, PACKAGES, SCRATCH } = process.env
const suite = `${PACKAGES}/node_modules/@modelcontextprotocol/conformance`
const origin = new URL(MCP_URL).origin

// What may fail or warn, by check, and why. An exception that no longer fails is itself a failure.
const exceptions = {
  'authorization-server-metadata-cimd': 'client ID metadata documents need a fetch that epicme does not make',
}

/** Registers a client; the suite's own port is no matter, as the redirect is to loopback. */
async function register() {
  const response = await fetch(`${origin}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      client_name: 'conformance',
      redirect_uris: ['http://127.0.0.1/callback'],
      // The suite uses `none` wherever the metadata lists it, so a client with a secret can't be tried.
      token_endpoint_auth_method: 'none',
    }),
  })
  return response.json()
}

/** The checks of every scenario, with the suite's page shown to the person. */
async function run(revision, client) {
  const results = `${SCRATCH}/authorization-${revision}`
  const args = [
    ...['authorization', '--url', origin, '--resource', MCP_URL, '--client-id', client.client_id],
    ...['--port', `${await freePort()}`, '--spec-version', revision, '--output-dir', results],
  ]
  const suited = spawn(process.execPath, [`${suite}/dist/index.js`, ...args], { timeout: 60_000 })
  let output = ''
  suited.stderr.on('data', (data) => (output += data))
  suited.stdout.on('data', async (data) => {
    const before = output
    output += data
    const shown = /^https?:\S+\/authorize\?\S+(?=\s)/m
    if (!shown.test(before) && shown.test(output)) {
      try {
        const { redirect } = await allow(output.match(shown)[0])
        await fetch(redirect)
      } catch (error) {
        output += error.stack
        suited.kill()
      }
    }
  })
  await once(suited, 'close')
  const checks = []
  for (const directory of readdirSync(results, { recursive: true })) {
    if (directory.endsWith('checks.json')) checks.push(...JSON.parse(readFileSync(`${results}/${directory}`)))
  }
  return { checks, output }
}

let passed = 0
let failed = 0
console.log(`conformance ${JSON.parse(readFileSync(`${suite}/package.json`)).version}, authorization server`)
for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']) {
  const { checks, output } = await run(revision, await register())
  const good = checks.filter((check) => check.status === 'SUCCESS')
  const bad = checks.filter((check) => check.status !== 'SUCCESS')
  const faults = [
    ...bad
      .filter((check) => !(check.id in exceptions))
      .map((check) => `${check.status} ${check.id}: ${check.errorMessage ?? JSON.stringify(check.details)}`),
    ...good.filter((check) => check.id in exceptions).map((check) => `STALE ${check.id}: remove this exception`),
    ...['authorization-server-metadata', 'authorization-code-grant']
      .filter((id) => !good.some((check) => check.id === id))
      .map((id) => `EMPTY ${id} has not passed\n${output}`),
  ]
  passed += good.length
  failed += faults.length
  const excepted = bad.filter((check) => check.id in exceptions).length
  console.log(`  ${faults.length > 0 ? 'FAILED' : 'ok'} ${revision}: ${good.length} passed, ${excepted} excepted`)
  for (const fault of faults) console.log(`         ${fault.replaceAll('\n', '\n         ')}`)
}
for (const [id, why] of Object.entries(exceptions)) console.log(`  excepted: ${id}, ${why}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
