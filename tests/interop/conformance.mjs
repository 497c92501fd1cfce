// Runs the official conformance suite: each scenario that needs no fixture, at every revision that it knows.
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { startProxy } from './proxy.mjs'

const { MCP_URL, TOKEN, PACKAGES, SCRATCH } = process.env
const suite = `${PACKAGES}/node_modules/@modelcontextprotocol/conformance`

// What a scenario may fail, by check, and why. An exception that no longer fails is itself a failure.
const scenarios = {
  'server-initialize': {},
  'server-session-lifecycle': {},
  ping: {},
  'tools-list': {},
  'resources-list': {},
  'prompts-list': {},
  'sep-2164-resource-not-found': {},
  'dns-rebinding-protection': {},
  'server-sse-multiple-streams': {},
  'server-stateless': {
    'sep-2575-server-rejects-undeclared-capability': 'needs the tool test_missing_capability',
    'sep-2575-missing-capability-http-400': 'needs the tool test_missing_capability',
    'sep-2575-http-server-no-independent-requests-on-stream': 'needs the tool test_streaming_elicitation',
    'sep-2575-server-no-log-without-loglevel': 'needs the tool test_logging_tool',
  },
  caching: {},
  'http-header-validation': {},
  'input-required-result-unsupported-methods': {},
}

// What can't apply to a journal: a scenario that is neither here nor above is a failure.
const leftOut = [
  [/^logging-set-level$/, 'epicme declares no logging, which is deprecated'],
  [/^resources-(un)?subscribe$/, 'epicme declares no subscriptions at the older revisions'],
  [/^(tasks|sep-2640)-/, 'an optional extension that epicme does not offer'],
  [/^resources-(read|templates-read)/, 'needs the resources test://…'],
  [/^(prompts-get-|completion-complete$)/, 'needs the prompts test_…'],
  [/^input-required-result-(missing-input-response|ignore-extra-params|validate-input)$/, 'says nothing without its tool'],
  [/^(tools-call|elicitation|input-required-result)-/, 'needs the tools test_…'],
  [/^server-sse-polling$/, 'needs the tool test_reconnection, and event ids, which epicme does not give'],
  [/^json-schema-2020-12$/, 'needs the tool json_schema_2020_12_tool'],
  [/^http-custom-header-server-validation$/, 'needs a tool with a header of its own'],
]

const conformance = (...args) => promisify(execFile)(process.execPath, [`${suite}/dist/index.js`, ...args])

/** The scenario's checks, or the one failure of not having run. */
async function run(scenario, revision, url) {
  const results = `${SCRATCH}/conformance/${scenario}-${revision}`
  const ended = await conformance(
    ...['server', '--url', url, '--scenario', scenario, '--spec-version', revision, '--output-dir', results],
  ).catch((error) => error) // it exits with 1 when a check has failed
  try {
    const [directory] = readdirSync(results)
    return JSON.parse(readFileSync(`${results}/${directory}/checks.json`))
  } catch {
    return [{ id: 'scenario-ran', status: 'FAILURE', errorMessage: `${ended.stdout}${ended.stderr}`.trim() }]
  }
}

let passed = 0
let failed = 0
function judge(scenario, revision, checks) {
  const exceptions = Object.keys(scenarios[scenario])
  const good = checks.filter((check) => check.status === 'SUCCESS')
  const bad = checks.filter((check) => check.status === 'FAILURE' || check.status === 'WARNING')
  const skipped = checks.filter((check) => check.status === 'SKIPPED')
  const faults = [
    ...bad
      .filter((check) => !exceptions.includes(check.id))
      .map((check) => `${check.status} ${check.id}: ${check.errorMessage ?? JSON.stringify(check.details)}`),
    ...exceptions
      .filter((id) => !bad.some((check) => check.id === id))
      .map((id) => `STALE ${id}: this exception no longer fails; remove it`),
  ]
  if (good.length === 0) faults.push('EMPTY no check has passed')

  passed += good.length
  failed += faults.length
  const counts = [`${good.length} passed`]
  if (exceptions.length > 0) counts.push(`${exceptions.length} excepted`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  console.log(`  ${faults.length > 0 ? 'FAILED' : 'ok'} ${scenario} ${revision}: ${counts.join(', ')}`)
  for (const { id, details } of skipped) console.log(`         skipped ${id}: ${details?.note ?? details?.message}`)
  for (const fault of faults) console.log(`         ${fault.replaceAll('\n', '\n         ')}`)
}

console.log(`conformance ${JSON.parse(readFileSync(`${suite}/package.json`)).version}`)
const { proxy, url } = await startProxy(MCP_URL, TOKEN)
const reasons = new Map()
const { stdout: offered } = await conformance('list', '--server')
for (const [, scenario, tags] of offered.matchAll(/^ +- (\S+) \[(.+)\]$/gm)) {
  if (scenario in scenarios) {
    for (const revision of tags.split(',')) judge(scenario, revision, await run(scenario, revision, url))
    continue
  }
  const reason = leftOut.find(([pattern]) => pattern.test(scenario))?.[1]
  if (!reason) {
    failed += 1
    console.log(`  FAILED ${scenario}: a scenario that is neither run nor left out for a reason`)
  }
  reasons.set(reason, [...(reasons.get(reason) ?? []), scenario])
}
proxy.close()

for (const [scenario, exceptions] of Object.entries(scenarios)) {
  for (const [id, why] of Object.entries(exceptions)) console.log(`  excepted from ${scenario}: ${id}, ${why}`)
}
for (const [reason, names] of reasons) console.log(`  left out, ${reason}: ${names.join(', ')}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
