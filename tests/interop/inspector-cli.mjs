// The MCP Inspector on the command line starts `epicme stdio` for each command: every tool of walk.json, and of
// features.json every list, resource and prompt. It declares no questions, and has no command for completions and
// subscriptions: those are in inspector.mjs.
// Usage: inspector-cli.mjs legacy | modern
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { check, expectSubset, finish } from './check.mjs'

const { TOKEN, PACKAGES, SCRATCH, EPICME, DATABASE } = process.env
const protocolEra = process.argv[2]
const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url)))
const walk = read('walk.json')
const features = read('features.json')
const folder = `${PACKAGES}/node_modules/@modelcontextprotocol/inspector`
const { version } = JSON.parse(readFileSync(`${folder}/package.json`))
console.log(`the Inspector ${version} on the command line, over stdio, ${protocolEra}`)

const program = { type: 'stdio', command: EPICME, args: ['stdio', '--database', DATABASE], protocolEra }
const servers = {
  epicme: { ...program, env: { EPICME_TOKEN: TOKEN } },
  strange: { ...program, env: { EPICME_TOKEN: 'em_of_another_server' } },
}
const config = `${SCRATCH}/inspector-cli.json`
writeFileSync(config, JSON.stringify({ mcpServers: servers }))

const launcher = `${folder}/clients/launcher/build/index.js`
const options = { cwd: SCRATCH, encoding: 'utf8', env: { ...process.env, HOME: SCRATCH }, timeout: 60_000 }

/** Runs one command of it. */
function run(server, ...words) {
  return spawnSync(process.execPath, [launcher, '--cli', '--config', config, '--server', server, ...words], options)
}

/** The result of a command that must succeed. */
function result(...words) {
  const { status, stdout, stderr } = run('epicme', ...words)
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

let cursor // the last nextCursor that any list gave
function take({ tool, arguments: given, error, result: expected }) {
  const named = { ...given, ...(given.cursor === '<nextCursor>' ? { cursor } : {}) }
  const words = ['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(named)]
  const { stdout, stderr } = run('epicme', ...words)
  assert.ok(stdout.startsWith('{'), stderr)
  const answer = JSON.parse(stdout)
  if (error) {
    assert.equal(answer.isError, true, stdout)
    return assert.match(answer.content[0].text, new RegExp(error))
  }
  assert.ok(!answer.isError, stdout)
  cursor = answer.structuredContent.nextCursor ?? cursor
  expectSubset(answer.structuredContent, expected, 'result')
}

await check('lists the tools that are walked, and no others', () => {
  const { tools } = result('--method', 'tools/list')
  assert.deepEqual(tools.map((tool) => tool.name).sort(), [...new Set(walk.map((step) => step.tool))].sort())
})
for (const step of walk) await check(`${step.tool} ${JSON.stringify(step.arguments)}`, () => take(step))

/** The words for a request of features.json; `undefined` for one that it can't make. */
function wordsFor({ method, params }) {
  if (method === 'resources/read') return ['--uri', params.uri]
  if (method === 'prompts/get') {
    const pairs = Object.entries(params.arguments).map(([name, value]) => `${name}=${value}`)
    return ['--prompt-name', params.name, ...(pairs.length > 0 ? ['--prompt-args', ...pairs] : [])]
  }
  if (method?.endsWith('/list')) return []
}
// The first question changes the journal, so what comes after it doesn't fit here.
const first = features.steps.findIndex((step) => step.tool)
for (const step of features.steps.slice(0, first)) {
  const words = wordsFor(step)
  if (!words) continue
  await check(`${step.method} ${JSON.stringify(step.params ?? {})}`, () => {
    if (!step.error) return expectSubset(result('--method', step.method, ...words), step.result, 'result')
    const { status, stdout, stderr } = run('epicme', '--method', step.method, ...words)
    assert.notEqual(status, 0, stdout)
    assert.match(stderr, /Failed|not found|required|must|Unknown|Invalid/i)
  })
}

await check('a wrong token: says what to do', () => {
  const { status, stdout, stderr } = run('strange', '--method', 'tools/list')
  assert.notEqual(status, 0)
  assert.match(stdout + stderr, /the token in EPICME_TOKEN is refused/)
})
finish()
