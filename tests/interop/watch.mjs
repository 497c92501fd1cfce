// The page of `serve --watch`, while a person presses Connect in the MCP Inspector.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { keepOne } from './browser.mjs'
import { check, finish } from './check.mjs'
import { addServer, inspectorVersion, signIn, startInspector } from './inspector-page.mjs'
import { browser, complaints, look, open, tabOrder } from './look.mjs'

const { MCP_URL, PASSWORD, TOKEN, LOG } = process.env
const base = new URL(MCP_URL).origin
const inspector = await startInspector({})
console.log(`@modelcontextprotocol/inspector ${inspectorVersion}, Chromium ${browser.version()}`)

const context = await browser.newContext({ viewport: { width: 1100, height: 900 } })
context.setDefaultTimeout(20_000)
await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base })
const watch = await context.newPage()
watch.on('console', (line) => line.type() === 'error' && complaints.push(`/watch: ${line.text()}`))
await watch.goto(`${base}/watch`)
const list = watch.locator('#exchanges > li')
const state = watch.getByRole('status')
await state.getByText('Watching.').waitFor()

/** What a screen reader hears of each exchange. */
const said = (page) => page.locator('#exchanges .said').allTextContents()
const ids = async (page) => {
  const facts = await page.locator('#exchanges > li').evaluateAll((all) => all.map((item) => item.textContent))
  return facts.map((text) => text.match(/\bId\s*(\d+-\d+)/)?.[1])
}
const secrets = [PASSWORD, TOKEN]

await check('a whole Connect is there as it happens, in order', async () => {
  const page = await context.newPage()
  // What the browser gets is a secret too: codes, cookies, tokens.
  page.on('request', (request) => {
    const url = new URL(request.url())
    for (const name of ['code', 'state', 'code_challenge']) secrets.push(url.searchParams.get(name))
  })
  await addServer(page, inspector)
  await page.getByRole('switch', { name: 'Connect or disconnect "epicme"' }).press('Space')
  await signIn(page)
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL((back) => back.origin === new URL(inspector).origin)
  await page.getByText('Connected', { exact: true }).waitFor()
  await watch.locator('.arrow', { hasText: 'tools/list' }).first().waitFor({ timeout: 20_000 })
  const flow = await said(watch)
  let from = 0
  for (const part of [
    /^client to gate: POST \/mcp; gate to client: 401 Unauthorized\. The client has no token\./,
    /^client to gate: GET \/\.well-known\/oauth-protected-resource\/mcp; gate to client: 200 OK\./,
    /^client to authorization server: GET \/\.well-known\/oauth-authorization-server; .*200 OK\./,
    /^client to authorization server: POST \/register; .*201 Created\./,
    /^browser to authorization server: GET \/authorize; .*200 OK\./,
    /^browser to authorization server: POST \/sign-in; /,
    /^browser to authorization server: POST \/authorize; .*303 See Other\. The person has allowed it\./,
    /^client to authorization server: POST \/token; .*200 OK\./,
    /^client to gate: POST \/mcp; gate to client: 200 OK\. The token is good\./,
  ]) {
    const at = flow.findIndex((text, place) => place >= from && part.test(text))
    assert.notEqual(at, -1, `${part} is not behind place ${from} of ${flow.join('\n')}`)
    from = at + 1
  }
  await keepOne(watch, 'watch-connect')
  await page.getByRole('button', { name: 'Disconnect from server' }).click()
  await page.close()
})
await check('every exchange of the log is there, and none twice', async () => {
  await watch.waitForTimeout(1500) // a stream of the Inspector ends, and the page gets what is left
  const shown = await ids(watch)
  assert.equal(new Set(shown).size, shown.length, `${shown}`)
  const logged = [...readFileSync(LOG, 'utf8').matchAll(/^.* (\S+) (\/\S*) \d+ .*id=(\d+-\d+)/gm)]
  const expected = logged.filter(([, , path]) => !/^\/(watch(\/.*)?|style\.css)$/.test(path)).map(([, , , id]) => id)
  assert.deepEqual([...shown].sort(), expected.sort())
  assert.ok(shown.length > 10, `${shown}`)
})
await check('an exchange opens by a key, with its checks, the challenge and the token', async () => {
  await list.first().locator('summary').focus()
  await watch.keyboard.press('Enter')
  const facts = list.first().locator('.facts')
  await facts.getByText('failed: there is an Authorization field').waitFor()
  await facts.getByRole('heading', { name: 'The challenge, taken apart' }).waitFor()
  await facts.getByText(/the document that says where to get a token/).waitFor()
  const good = list.filter({ hasText: 'The token is good.' }).first()
  await good.locator('summary').click()
  await good.locator('.facts').getByText('person', { exact: true }).waitFor()
  await good.locator('.facts').getByText('client', { exact: true }).waitFor()
  await keepOne(watch, 'watch-open')
  await list.first().locator('summary').click()
  await good.locator('summary').click()
})
await check('a link leads to the chapter and to the source', async () => {
  const first = list.first()
  const links = await first.locator('.facts a').evaluateAll((all) => all.map((link) => link.href))
  assert.deepEqual(links, [`${base}/watch/docs/walkthrough/02-challenge.md`, `${base}/watch/src/gate.rs`])
  for (const link of links) assert.equal((await context.request.get(link)).status(), 200)
})
await check('it pauses, and then has what happened meanwhile', async () => {
  const before = await list.count()
  await watch.getByRole('button', { name: 'Pause' }).click()
  // A browser brings the page back as the person left it.
  await watch.evaluate(() => ['pagehide', 'pageshow'].forEach((name) =>
    dispatchEvent(new PageTransitionEvent(name, { persisted: true }))))
  await fetch(`${base}/paused`)
  await watch.waitForTimeout(1500)
  assert.equal(await list.count(), before)
  await watch.getByRole('button', { name: 'Go on' }).click()
  await watch.locator('#exchanges .arrow', { hasText: 'GET /paused' }).waitFor()
  assert.equal(await list.count(), before + 1)
})
await check('it shows one client, and goes on with that one', async () => {
  await fetch(`${base}/other`, { headers: { 'User-Agent': 'other/1' } })
  await watch.goto(`${base}/watch`)
  await watch.getByLabel('Of').selectOption('other')
  await watch.waitForURL(/client=other/)
  await state.getByText('Watching.').waitFor()
  assert.equal(await list.count(), 1)
  await fetch(`${base}/not-shown`)
  await fetch(`${base}/again`, { headers: { 'User-Agent': 'other/2' } })
  await watch.locator('#exchanges .arrow', { hasText: 'GET /again' }).waitFor()
  assert.equal(await list.count(), 2)
})
let copied = ''
let file = ''
await check('it copies as text, and is kept as a file that shows the same', async () => {
  await watch.goto(`${base}/watch`)
  await state.getByText('Watching.').waitFor()
  await watch.getByRole('button', { name: 'Copy as text' }).click()
  await state.getByText('Copied.').waitFor()
  copied = await watch.evaluate(() => navigator.clipboard.readText())
  assert.match(copied, /failed: there is an Authorization field/)
  assert.equal(await watch.locator('details[open]').count(), 0)
  const count = await list.count()
  const [download] = await Promise.all([
    watch.waitForEvent('download'),
    watch.getByRole('link', { name: 'Keep as a file' }).click(),
  ])
  assert.equal(download.suggestedFilename(), 'epicme-exchanges.html')
  file = readFileSync(await download.path(), 'utf8')
  const page = await open()
  await page.setContent(file)
  assert.equal(await page.locator('#exchanges > li').count(), count)
  assert.equal(await page.locator('#exchanges a').count(), 0)
  await keepOne(page, 'watch-file')
  await page.close()
})
await check('no secret is in the page, in its memory, in what it copies or in the file', async () => {
  const known = secrets.filter((secret) => secret && secret.length > 6)
  assert.ok(known.length > 3, `${known.length} secrets`)
  const memory = await watch.evaluate(() => JSON.stringify([place, state.textContent, { ...sessionStorage, ...localStorage }]))
  for (const secret of known) {
    for (const text of [await watch.content(), memory, copied, file]) {
      assert.ok(!text.includes(secret.slice(0, 12)), `${secret.slice(0, 4)}… is there`)
    }
  }
})
await check('without a script it shows the same', async () => {
  const page = await open()
  await page.goto(`${base}/watch`)
  assert.deepEqual(await said(page), await said(watch))
  await page.getByLabel('Of').selectOption('other')
  await page.getByRole('button', { name: 'Show' }).click()
  assert.equal(await page.locator('#exchanges > li').count(), 2)
  const reached = await tabOrder(page)
  assert.deepEqual(reached.slice(0, 4).map((name) => name.split(' ')[0]), ['Of', 'Show', 'Keep', 'Refresh'])
  await fetch(`${base}/again`, { headers: { 'User-Agent': 'other/3' } })
  await page.getByRole('link', { name: 'Refresh' }).click()
  assert.equal(await page.locator('#exchanges > li').count(), 3)
  await look(page, 'watch')
  await page.close()
})
await check('a server that was away is found again', async () => {
  await watch.goto(`${base}/watch`)
  await state.getByText('Watching.').waitFor()
  await context.setOffline(true)
  await watch.evaluate(() => { source.close(); source.onerror() })
  await state.getByText('Nothing comes from the server').waitFor()
  await context.setOffline(false)
  await fetch(`${base}/back`)
  await watch.locator('#exchanges .arrow', { hasText: 'GET /back' }).waitFor()
  assert.equal(new Set(await ids(watch)).size, await list.count())
})
await check('nothing was blocked, and nothing failed in the page', async () => {
  assert.deepEqual(complaints.filter((line) => !/ERR_INTERNET_DISCONNECTED|ERR_NETWORK/.test(line)), [])
})

await browser.close()
finish()
