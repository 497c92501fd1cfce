// Tries the claims of a script, one after the other, and counts those that hold.
import assert from 'node:assert/strict'

let passed = 0
let failed = 0

export async function check(claim, work) {
  try {
    await work()
    passed += 1
  } catch (error) {
    failed += 1
    console.log(`  FAILED ${claim}\n         ${`${error.stack}`.replaceAll('\n', '\n         ')}`)
  }
}

/** Ends the script with the line that `run` counts by. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}

/** Objects may hold more than what is expected of them; everything else is exact. */
export function expectSubset(actual, expected, at) {
  if (expected === '<absent>') assert.equal(actual, undefined, at)
  else if (expected === '<string>') assert.equal(typeof actual, 'string', at)
  else if (expected === '<integer>') assert.ok(Number.isInteger(actual), `${at}: ${actual} is no integer`)
  else if (expected === '<array>') assert.ok(Array.isArray(actual), `${at} is no array`)
  else if (expected?.['<count>'] !== undefined) assert.equal(actual?.length, expected['<count>'], at)
  else if (expected?.['<json>']) expectSubset(JSON.parse(actual), expected['<json>'], `${at} as JSON`)
  else if (Array.isArray(expected)) {
    assert.equal(actual?.length, expected.length, `${at}: length is ${actual?.length}, not ${expected.length}`)
    expected.forEach((item, index) => expectSubset(actual[index], item, `${at}[${index}]`))
  } else if (expected !== null && typeof expected === 'object') {
    assert.ok(actual !== null && typeof actual === 'object', `${at} is no object`)
    for (const key of Object.keys(expected)) expectSubset(actual[key], expected[key], `${at}.${key}`)
  } else assert.equal(actual, expected, `${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`)
}
