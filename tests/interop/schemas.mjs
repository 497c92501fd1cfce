// Has the tests judge every message of the server by the official JSON schemas of MCP too. That is done here, since
// `make test` needs only Rust, and the schemas are no part of this repository: there the tests judge by closed rules
// of their own. The conformance suite carries the schemas inside its one bundled module. That is a program, so it isn't
// run: each schema is a plain object literal, found by the table that has them by revision, and evaluated alone.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'

const { PACKAGES } = process.env
const folder = `${PACKAGES}/schemas`
const suite = `${PACKAGES}/node_modules/@modelcontextprotocol/conformance`
const bundle = `${suite}/dist/index.js`
const source = readFileSync(bundle, 'utf8')

// What each defines and no other does, so that none is taken for another.
const revisions = {
  '2025-03-26': { has: 'JSONRPCBatchResponse', lacks: 'ElicitRequest' },
  '2025-06-18': { has: 'ElicitRequest', lacks: 'JSONRPCResultResponse' },
  '2025-11-25': { has: 'InitializeResult', lacks: 'DiscoverResult', and: 'JSONRPCResultResponse' },
  '2026-07-28': { has: 'SubscriptionsListenResult', lacks: 'InitializeResult' },
}

/** The text of the object literal that begins at `start`; braces inside of strings don't count. */
function literal(start) {
  const tokens = /`(?:\\.|[^\\`])*`|"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'|[{}]/gs
  tokens.lastIndex = start
  for (let depth = 0, token; (token = tokens.exec(source)); ) {
    if (token[0] === '{') depth += 1
    else if (token[0] === '}') depth -= 1
    if (depth === 0) return source.slice(start, tokens.lastIndex)
  }
  throw new Error('an object literal has no end')
}

const name = '([\\w$]+)'
const table = new RegExp(`\\{"2025-03-26":${name},"2025-06-18":${name},"2025-11-25":${name},[^:{}]+:${name}\\}`)
const names = source.match(table)?.slice(1)
assert.ok(names, `${bundle} has no table of schemas`)

mkdirSync(folder, { recursive: true })
for (const [index, [revision, { has, and, lacks }]] of Object.entries(revisions).entries()) {
  const found = [...source.matchAll(new RegExp(`[\\s,;]${names[index].replaceAll('$', '\\$')}=(?=\\{\\$schema:)`, 'g'))]
  assert.equal(found.length, 1, `${bundle} has ${found.length} schemas for ${revision}`)
  const schema = runInNewContext(`(${literal(found[0].index + found[0][0].length)})`)
  assert.match(schema.$schema, /^https?:\/\/json-schema\.org\//, revision)
  const types = schema.$defs ?? schema.definitions
  for (const type of ['JSONRPCRequest', 'CallToolResult', 'CompleteResult', 'ListResourcesResult', has, and ?? has]) {
    assert.equal(typeof types[type], 'object', `the schema of ${revision} has no ${type}`)
  }
  assert.ok(!(lacks in types), `the schema of ${revision} has ${lacks}`)
  writeFileSync(`${folder}/${revision}.json`, JSON.stringify(schema, undefined, 1))
}

const { version } = JSON.parse(readFileSync(`${suite}/package.json`))
console.log(`the tests again, judged by the schemas of conformance ${version}`)
const modules = readdirSync('tests') // those that talk to a server
  .filter((file) => file.endsWith('.rs') && /^use crate::support::/m.test(readFileSync(`tests/${file}`)))
  .map((file) => `${file.replace('.rs', '')}::`)
const cargo = spawnSync('cargo', ['test', '--locked', '--test', 'tests', '--', ...modules], {
  env: { ...process.env, EPICME_MCP_SCHEMAS: folder },
  maxBuffer: 2 ** 28,
  encoding: 'utf8',
})
let passed = 0
let failed = 0
for (const [, good, bad] of cargo.stdout.matchAll(/^test result: .* (\d+) passed; (\d+) failed;/gm)) {
  passed += Number(good)
  failed += Number(bad)
}
if (cargo.status !== 0) {
  failed ||= 1 // it didn't build, or ended early
  console.log(`  FAILED\n${cargo.stdout.slice(-10_000)}${cargo.stderr.slice(-5_000)}`.replaceAll('\n', '\n         '))
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
