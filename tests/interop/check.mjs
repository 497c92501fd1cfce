// Tries the claims of a script, one after the other, and counts those that hold.
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
