// The MCP Inspector in Chromium, as a person uses it: connect, sign in, allow, list the tools, write an entry.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { keepOne, launch } from './browser.mjs'
import { freePort } from './ports.mjs'

const { MCP_URL, PACKAGES, SCRATCH, EMAIL, PASSWORD } = process.env
const folder = `${PACKAGES}/node_modules/@modelcontextprotocol/inspector`

const inspector = spawn(process.execPath, [`${folder}/clients/launcher/build/index.js`, '--web'], {
  cwd: SCRATCH,
  env: {
    ...process.env,
    HOME: SCRATCH, // where it keeps its list of servers
    MCP_AUTO_OPEN_ENABLED: 'false',
    MCP_INSPECTOR_SECRET_STORE: 'memory',
    CLIENT_PORT: `${await freePort()}`,
    MCP_SANDBOX_PORT: `${await freePort()}`,
  },
})
process.on('exit', () => inspector.kill())
let output = ''
const url = await new Promise((found, lost) => {
  const read = (data) => {
    output += data
    const shown = output.match(/http:\S+MCP_INSPECTOR_API_TOKEN=\S+(?=\s)/)
    if (shown) found(shown[0])
  }
  inspector.stdout.on('data', read)
  inspector.stderr.on('data', read)
  inspector.on('exit', () => lost(new Error(`the Inspector ended: ${output}`)))
})

const browser = await launch()
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
context.setDefaultTimeout(20_000)
const page = await context.newPage()

let passed = 0
let failed = 0
/** Each step needs the one before it: the first that fails ends the walk. */
async function step(claim, work) {
  if (failed > 0) return
  try {
    await work()
    passed += 1
  } catch (error) {
    failed += 1
    const why = `at ${page.url()}\n${error.message}`.replaceAll('\n', '\n         ')
    console.log(`  FAILED ${claim}\n         ${why}`)
    await keepOne(page, 'inspector-failed')
  }
}

const { version } = JSON.parse(readFileSync(`${folder}/package.json`))
console.log(`@modelcontextprotocol/inspector ${version}, Chromium ${browser.version()}`)

await step('add the server by its URL', async () => {
  await page.goto(url)
  await page.getByRole('button', { name: 'Add Servers' }).click()
  await page.getByRole('menuitem', { name: 'Add manually' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Server ID').fill('epicme')
  await dialog.getByRole('textbox', { name: 'Transport' }).click()
  await page.getByRole('option', { name: 'streamable-http' }).click()
  await dialog.getByRole('textbox', { name: 'URL' }).fill(MCP_URL)
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
})
async function signIn() {
  await page.waitForURL((url) => url.pathname === '/authorize')
  await page.getByLabel('Email').fill(EMAIL)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
}
await step('connect, and be sent to sign in', async () => {
  await page.getByRole('switch', { name: 'Connect or disconnect "epicme"' }).press('Space')
  await signIn()
})
await step('allow, and come back connected', async () => {
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  await keepOne(page, 'inspector-consent')
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL((back) => back.origin === new URL(url).origin)
  await page.getByText('Connected', { exact: true }).waitFor()
  await keepOne(page, 'inspector-connected')
})
await step('list the tools', async () => {
  await page.getByRole('banner').getByText('Tools', { exact: true }).click()
  await page.getByRole('heading', { name: 'Tools (14)' }).waitFor()
  await keepOne(page, 'inspector-tools')
})

async function write(title) {
  await page.getByRole('button', { name: 'create_entry' }).click()
  await page.getByRole('textbox', { name: 'title', exact: true }).fill(title)
  await page.getByRole('textbox', { name: 'content', exact: true }).fill('By a person in a browser.')
  await page.getByRole('button', { name: 'Execute Tool' }).click()
}
await step('writing needs more: the Inspector asks, the person allows it', async () => {
  await write('Written in the Inspector')
  await page.getByText('This operation needs additional scope: entries:write').waitFor()
  await keepOne(page, 'inspector-step-up')
  await page.getByRole('button', { name: 'Authorize' }).click()
  await signIn() // the browser was signed out on its way back to a client of this machine
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  assert.equal(await page.getByRole('checkbox').count(), 4)
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL((back) => back.origin === new URL(url).origin)
})
await step('write an entry', async () => {
  await page.getByRole('banner').getByText('Tools', { exact: true }).click()
  await write('Written in the Inspector')
  await page.getByText(/Written in the Inspector.*ID/).first().waitFor()
  await keepOne(page, 'inspector-entry')
})
await step('see it in the list', async () => {
  await page.getByRole('button', { name: 'list_entries' }).click()
  await page.getByRole('button', { name: 'Execute Tool' }).click()
  await page.getByText(/Found 1 entries/).first().waitFor()
  await page.getByText(/Written in the Inspector/).first().waitFor()
  await keepOne(page, 'inspector-list')
})

await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
