// The MCP Inspector in Chromium, as a person uses it: connect, sign in, allow, call tools, read resources, get a
// prompt, answer before a delete, look at the apps; what differs between the protocol versions, in both kinds.
// With `OVER_STDIO` it starts `epicme stdio` with a token, so that nobody signs in.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { keepOne, launch } from './browser.mjs'
import { addServer, inspectorVersion, signIn, startInspector } from './inspector-page.mjs'

const { MCP_URL, TOKEN, EPICME, DATABASE, OVER_STDIO } = process.env

// The stateless protocol version, chosen by a setting; here with a token, since signing in is the same for all.
const headers = { Authorization: `Bearer ${TOKEN}` }
const program = { type: 'stdio', command: EPICME, args: ['stdio', '--database', DATABASE], env: { EPICME_TOKEN: TOKEN } }
const mcpServers = OVER_STDIO
  ? { epicme: { ...program, protocolEra: 'legacy' }, 'epicme-modern': { ...program, protocolEra: 'modern' } }
  : { 'epicme-modern': { type: 'streamable-http', url: MCP_URL, protocolEra: 'modern', headers } }
const url = await startInspector(mcpServers)

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

console.log(`@modelcontextprotocol/inspector ${inspectorVersion}, Chromium ${browser.version()}${OVER_STDIO ? ', over stdio' : ''}`)

const overHttp = OVER_STDIO ? async () => {} : step
if (OVER_STDIO) {
  await step('connect, and have the program started', async () => {
    await page.goto(url)
    await page.getByRole('switch', { name: 'Connect or disconnect "epicme"' }).press('Space')
    await page.getByText('Connected', { exact: true }).waitFor()
  })
}
await overHttp('add the server by its URL', () => addServer(page, url))
await overHttp('connect, and be sent to sign in', async () => {
  await page.getByRole('switch', { name: 'Connect or disconnect "epicme"' }).press('Space')
  await signIn(page)
})
await overHttp('allow, and come back connected', async () => {
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  await keepOne(page, 'inspector-consent')
  // It asks for everything, since its version of MCP doesn't step up by itself. The person allows reading.
  for (const scope of ['entries:write', 'tags:write']) await page.locator(`[name="${scope}"]`).uncheck()
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL((back) => back.origin === new URL(url).origin)
  await page.getByText('Connected', { exact: true }).waitFor()
  await keepOne(page, 'inspector-connected')
})
await step('list the tools', async () => {
  await page.getByRole('banner').getByText('Tools', { exact: true }).click()
  await page.getByRole('heading', { name: 'Tools (19)' }).waitFor()
  await keepOne(page, 'inspector-tools')
})

async function write(title) {
  await page.getByRole('button', { name: 'create_entry' }).click()
  await page.getByRole('textbox', { name: 'title', exact: true }).fill(title)
  await page.getByRole('textbox', { name: 'content', exact: true }).fill('By a person in a browser.')
  await page.getByRole('button', { name: 'Execute Tool' }).click()
}
await overHttp('writing needs more: the Inspector asks, the person allows it', async () => {
  await write('Written in the Inspector')
  await page.getByText(/This operation needs additional scope: .*entries:write/).waitFor()
  await keepOne(page, 'inspector-step-up')
  await page.getByRole('button', { name: 'Authorize' }).click()
  await signIn(page) // the browser was signed out on its way back to a client of this machine
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  assert.ok(await page.locator('[name="entries:write"]').isChecked())
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

const tab = (name) => page.getByRole('banner').getByText(name, { exact: true }).click()

await step('list the resources, and read one', async () => {
  await tab('Resources')
  await page.getByRole('button', { name: 'URIs (3)' }).waitFor()
  await page.getByRole('button', { name: 'Entries', exact: true }).click()
  const preview = page.getByTestId('resource-preview')
  await preview.getByText('epicme://entries', { exact: true }).waitFor()
  await preview.getByText(/"Written in the Inspector"/).waitFor()
  await keepOne(page, 'inspector-resources')
})
await step('read an entry by the template, its id completed', async () => {
  await page.getByRole('button', { name: 'Templates (2)' }).waitFor()
  await page.getByRole('button', { name: 'Journal Entry', exact: true }).click()
  await page.getByRole('textbox', { name: 'id', exact: true }).pressSequentially('1')
  await page.getByRole('option', { name: '1', exact: true }).waitFor()
  await keepOne(page, 'inspector-template')
  await page.getByRole('option', { name: '1', exact: true }).click()
  await page.getByRole('button', { name: 'Read Resource' }).click()
  const preview = page.getByTestId('resource-preview')
  await preview.getByText('epicme://entries/1', { exact: true }).waitFor()
  await preview.getByText(/"By a person in a browser\."/).waitFor()
})
await step('get a prompt, its argument completed', async () => {
  await tab('Prompts')
  await page.getByRole('heading', { name: 'Prompts (2)' }).waitFor()
  await page.getByRole('button', { name: /^Suggest Tags/ }).click()
  await page.getByRole('textbox', { name: 'entryId' }).click()
  await page.getByRole('option', { name: '1', exact: true }).waitFor()
  await keepOne(page, 'inspector-completion')
  await page.getByRole('option', { name: '1', exact: true }).click()
  await page.getByRole('button', { name: 'Get Prompt' }).click()
  const messages = page.getByTestId('prompt-messages')
  await messages.getByText(/^Suggest tags for the journal entry with ID 1\./).waitFor()
  await messages.getByText(/"By a person in a browser\."/).waitFor()
  await keepOne(page, 'inspector-prompt')
})

/** A delete that asks: the entry of this id and title stays when the person declines, and goes when they confirm. */
async function deleteOne(id, title, name) {
  const asked = page.getByRole('dialog', { name: 'Elicitation Request' })
  async function call(tool) {
    await page.getByRole('button', { name: tool }).click()
    await page.getByRole('textbox', { name: 'id', exact: true }).fill(id)
    await page.getByRole('button', { name: 'Execute Tool' }).click()
  }
  async function ask() {
    await call('delete_entry')
    await asked.getByText(`Delete the entry "${title}" (ID: ${id})?`).waitFor()
  }
  await tab('Tools')
  await ask()
  await keepOne(page, name)
  await asked.getByRole('button', { name: 'Decline' }).click()
  await page.getByText(`Entry "${title}" (ID ${id}) was not deleted: the deletion was not confirmed.`).waitFor()
  await page.getByRole('button', { name: 'Close results' }).click()
  await ask() // there it is still
  await asked.getByRole('checkbox', { name: 'Delete it' }).check()
  await asked.getByRole('button', { name: 'Submit' }).click()
  await page.getByText(`Entry "${title}" (ID ${id}) deleted.`).waitFor()
  await call('get_entry')
  await page.getByText(`Entry with ID "${id}" not found.`).waitFor()
}

/** Opens a tool's view, and gives its frame once it is filled: the host's own, then the page in there. */
async function view(tool, heading) {
  await page.getByRole('button', { name: new RegExp(`^${tool} [A-Z]`) }).click()
  if (tool === 'Get Entry') await page.getByRole('textbox', { name: 'id', exact: true }).fill('1')
  await page.getByRole('button', { name: 'Open App' }).click()
  await page.locator('[data-testid="apps-form"][data-app-status="ready"]').waitFor()
  const frame = page.frameLocator(`iframe[title="${tool}"]`).frameLocator('iframe')
  await frame.getByRole('heading', { name: heading, exact: true }).waitFor()
  return frame
}
/** Whether a script in the page gets through to this URL. */
const reach = (_, url) => fetch(url).then(() => 'reached', () => 'refused')
async function lookAtViews(name) {
  await tab('Apps')
  await page.getByRole('heading', { name: 'MCP Apps (5)' }).waitFor()
  const entry = await view('Get Entry', 'Written in the Inspector')
  await entry.getByText('By a person in a browser.').waitFor()
  assert.equal(await entry.locator('main').evaluate(reach, url), 'refused')
  await keepOne(page, `${name}-entry`)
  await page.getByRole('button', { name: 'Toggle color scheme' }).click()
  await entry.locator('html[style*="color-scheme: dark"]').waitFor()
  await keepOne(page, `${name}-entry-dark`)
  await page.getByRole('button', { name: 'Toggle color scheme' }).click()
  const list = await view('List Entries', 'Journal')
  await list.locator('p', { hasText: /^1 entry$/ }).waitFor()
  await list.getByRole('listitem').getByRole('heading', { name: 'Written in the Inspector' }).waitFor()
  await list.getByRole('table').first().waitFor() // its month, as a calendar
  await keepOne(page, `${name}-journal`)
}

await step('a delete asks first', async () => {
  await tab('Tools')
  await write('To be deleted')
  await page.getByText(/To be deleted.*ID 2/).first().waitFor()
  await deleteOne('2', 'To be deleted', 'inspector-question')
})
await step('look at the views', () => lookAtViews('inspector-view'))

await step('connect with the stateless version', async () => {
  await page.getByRole('button', { name: 'Disconnect from server' }).click()
  await page.getByRole('switch', { name: 'Connect or disconnect "epicme-modern"' }).press('Space')
  await page.getByText('Connected', { exact: true }).waitFor()
})
await step('be told of what another client changes', async () => {
  async function elsewhere(name, args) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } })
    if (OVER_STDIO) {
      // A second program, which goes through the one that the Inspector has started.
      const { stdout } = spawnSync(EPICME, program.args, { env: program.env, input: `${body}\n`, encoding: 'utf8' })
      return assert.ok(JSON.parse(stdout).result, stdout)
    }
    const sent = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body }
    assert.equal((await fetch(MCP_URL, sent)).status, 200)
  }
  await tab('Resources')
  await page.getByRole('button', { name: 'Entries', exact: true }).click()
  await page.getByRole('button', { name: 'Subscribe', exact: true }).click()
  await page.getByRole('button', { name: 'Subscriptions (1) Listening' }).waitFor()
  await elsewhere('update_entry', { id: 1, mood: 'curious' })
  await page.getByText('notifications/resources/updated', { exact: true }).waitFor()
  await elsewhere('create_tag', { name: 'tools' })
  // On each of its streams: it leaves the first one open.
  await page.getByText('notifications/resources/list_changed', { exact: true }).first().waitFor()
  await keepOne(page, 'inspector-subscription')
})
await step('a delete asks first there too', async () => {
  await tab('Tools')
  await write('To be deleted')
  await page.getByText(/To be deleted.*ID 3/).first().waitFor()
  await deleteOne('3', 'To be deleted', 'inspector-modern-question')
})
await step('look at the views there too', () => lookAtViews('inspector-modern-view'))

await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
