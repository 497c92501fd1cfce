// The views in Chromium, in the frame of a client made here that delivers the page as it came and adds no policy: what
// they show, what they take from whom, and that their own policy holds.
import assert from 'node:assert/strict'
import { keep, launch } from './browser.mjs'
import { check, finish } from './check.mjs'

const { MCP_URL, TOKEN } = process.env
const EXTENSION = 'io.modelcontextprotocol/ui'
const MIME_TYPE = 'text/html;profile=mcp-app'

let lastId = 0
/** A request of the stateless revision, by a client that shows views. */
async function request(method, params) {
  const capabilities = { extensions: { [EXTENSION]: { mimeTypes: [MIME_TYPE] } } }
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  }
  const response = await fetch(MCP_URL, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${TOKEN}`,
      'Content-Type': 'application/json',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': method,
      ...((params.name ?? params.uri) && { 'Mcp-Name': params.name ?? params.uri }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++lastId, method, params: { ...params, _meta } }),
  })
  const { result, error } = await response.json()
  assert.equal(error, undefined, JSON.stringify(error))
  return result
}
const call = (name, args) => request('tools/call', { name, arguments: args })

const browser = await launch()
console.log(`Chromium ${browser.version()}`)
const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC' })
context.setDefaultTimeout(20_000)
const page = await context.newPage()

/** The client: it answers the page's handshake, keeps what the page says, and gives it the height it asks for. */
function host({ html, hostContext }) {
  const frame = document.createElement('iframe')
  frame.title = 'view'
  frame.sandbox = 'allow-scripts'
  frame.srcdoc = html
  window.said = []
  window.tell = (message) => frame.contentWindow.postMessage({ jsonrpc: '2.0', ...message }, '*')
  window.addEventListener('message', ({ source, data }) => {
    if (source !== frame.contentWindow) return
    window.said.push(data)
    if (data.method === 'ui/initialize') {
      const hostInfo = { name: 'test', version: '1' }
      const result = { protocolVersion: data.params.protocolVersion, hostInfo, hostCapabilities: {}, hostContext }
      window.tell({ id: data.id, result })
    }
    if (data.method === 'ui/notifications/size-changed') frame.style.height = `${data.params.height}px`
  })
  document.body.append(frame)
}

/** Shows a tool's view with its result, and gives the frame. */
async function show(tool, args, hostContext = {}) {
  const { tools } = await request('tools/list', {})
  const { resourceUri } = tools.find(({ name }) => name === tool)._meta.ui
  const [{ text, mimeType }] = (await request('resources/read', { uri: resourceUri })).contents
  assert.equal(mimeType, MIME_TYPE)
  await page.goto('about:blank')
  await page.setContent(`<!doctype html><meta name="color-scheme" content="light dark">
    <style>body { margin: 0 } iframe { width: 100%; border: 0 }</style>`)
  await page.evaluate(host, { html: text, hostContext })
  await page.waitForFunction(() => window.said.some(({ method }) => method === 'ui/notifications/initialized'))
  const result = await call(tool, args)
  await page.evaluate((params) => window.tell({ method: 'ui/notifications/tool-input', params }), { arguments: args })
  await page.evaluate((params) => window.tell({ method: 'ui/notifications/tool-result', params }), result)
  return page.frameLocator('iframe[title="view"]')
}
/** The page's answer to a message that has this id. */
async function ask(message) {
  await page.evaluate((message) => window.tell(message), message)
  const found = await page.waitForFunction((id) => window.said.find((said) => said.id === id), message.id)
  return found.jsonValue()
}

const markup = '<img src=x onerror="parent.hurt = 1"><script>parent.hurt = 1</script>'
await call('create_tag', { name: 'walks' })
await call('create_tag', { name: 'rain & <b>wind</b>' })
await call('create_entry', {
  title: 'A quiet day by the sea',
  content: `It rained all morning.\n\nThen we walked to the lighthouse and back, and had tea. ${markup}`,
  mood: 'calm',
  location: 'Whitby',
  weather: 'rain, then sun',
  isFavorite: 1,
  tags: [1, 2],
})
await call('create_entry', { title: `${markup} ${'long'.repeat(40)}`, content: '' })
await call('create_entry', { title: 'יום ארוך', content: 'שלום', mood: 'שמח' })

await check('shows an entry, and its text as text', async () => {
  const frame = await show('get_entry', { id: 1 })
  await frame.getByRole('heading', { name: 'A quiet day by the sea' }).waitFor()
  await frame.getByText('rain & <b>wind</b>', { exact: true }).waitFor()
  const text = await frame.locator('main').innerText()
  for (const part of [markup, 'calm · Whitby · rain, then sun', 'favorite · private']) {
    assert.ok(text.includes(part), text)
  }
  assert.equal(await frame.locator('img, script:not(body > script)').count(), 0)
  await keep(page, 'view-entry')
})
await check('shows the journal, and how much of it', async () => {
  const frame = await show('list_entries', { limit: 2 })
  await frame.getByText('3 entries, 2 of them here', { exact: true }).waitFor()
  const titles = await frame.getByRole('heading', { level: 2 }).allInnerTexts()
  assert.deepEqual(titles.map((title) => title.slice(0, 9)), ['יום ארוך', '<img src='])
  await show('list_entries', {})
  await frame.locator('p').getByText('3 entries', { exact: true }).waitFor()
  await keep(page, 'view-journal')
})
await check('shows what a search found, and where', async () => {
  const frame = await show('search_entries', { query: 'lighthouse' })
  await frame.getByText('1 entry', { exact: true }).waitFor()
  await frame.getByText(/to the \[lighthouse\] and back/).waitFor()
  await keep(page, 'view-search')
  const none = await show('search_entries', { query: 'nothing' })
  await none.getByText('0 entries', { exact: true }).waitFor()
})
await check('shows a tag', async () => {
  await call('create_tag', { name: 'by <b>sea</b>', description: `Water.\n${markup}` })
  const frame = await show('get_tag', { id: 3 })
  await frame.getByRole('heading', { name: 'by <b>sea</b>' }).waitFor()
  assert.ok((await frame.locator('main').innerText()).includes(markup))
  await keep(page, 'view-tag')
})
await check('shows the entries of one month as a calendar too', async () => {
  assert.equal(await (await show('list_entries', { limit: 2 })).getByRole('table').count(), 0, 'a part of a list')
  for (const [date, title] of [['2024-02-29T09:30:00+05:45', 'Leap'], ['2024-02-29', 'Twice'], ['2024-02-01', 'First']]) {
    await call('create_entry', { title, content: 'x', date })
  }
  const frame = await show('list_entries', { from: '2024-02-01', to: '2024-02-29' })
  const table = frame.getByRole('table', { name: 'February 2024' })
  const cells = (await table.getByRole('cell').allInnerTexts()).map((cell) => cell.replaceAll(/\s+/g, ' ').trim())
  // It began on a Thursday.
  assert.deepEqual(cells.slice(0, 5), ['', '', '', '1 1 entry', '2'])
  assert.equal(cells.length, 35)
  assert.deepEqual(cells.slice(30), ['28', '29 2 entries', '', '', ''])
  await frame.getByText('29 Feb 2024, 09:30', { exact: true }).waitFor()
  await keep(page, 'view-month')
  assert.equal(await (await show('list_entries', {})).getByRole('table').count(), 0, 'several months')
})
await check('says what went wrong', async () => {
  const frame = await show('get_entry', { id: 99 })
  await frame.getByRole('status').getByText('Entry with ID "99" not found.').waitFor()
})
await check('takes the theme, the language and the time zone of its client', async () => {
  const variables = { '--color-background-primary': 'rgb(1, 2, 3)', '--color-text-primary': 'rgb(250, 251, 252)' }
  const told = { theme: 'dark', styles: { variables }, locale: 'de-DE', timeZone: 'Asia/Tokyo' }
  const frame = await show('get_entry', { id: 5 }, told) // about a day, and written on another
  const look = () => frame.locator('body').evaluate((body) => {
    const { backgroundColor, color, colorScheme } = getComputedStyle(body)
    return [backgroundColor, color, colorScheme]
  })
  await frame.getByRole('heading').waitFor()
  assert.deepEqual(await look(), ['rgb(1, 2, 3)', 'rgb(250, 251, 252)', 'dark'])
  assert.equal(await frame.locator('time').first().innerText(), '29.02.2024')
  const written = frame.locator('time').nth(1)
  const [moment, text] = await written.evaluate((time) => [time.dateTime, time.innerText])
  const style = { dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Tokyo' }
  assert.equal(text, new Date(moment).toLocaleString('de-DE', style))
  const params = { theme: 'light', locale: 'no such', timeZone: 'Nowhere', styles: { variables: {} } }
  await page.evaluate((params) => window.tell({ method: 'ui/notifications/host-context-changed', params }), params)
  await frame.locator('html[style*="color-scheme: light"]').waitFor()
  await frame.getByText(new Date(moment).toLocaleString('en-GB', { ...style, timeZone: 'UTC' })).waitFor()
})
await check('is as high as what it shows', async () => {
  const frame = await show('get_entry', { id: 1 })
  await frame.getByRole('heading').waitFor()
  const height = await frame.locator('body').evaluate((body) => Math.ceil(body.getBoundingClientRect().height))
  await page.waitForFunction((height) => document.querySelector('iframe').clientHeight === height, height)
  await page.setViewportSize({ width: 300, height: 800 })
  await page.waitForFunction((height) => document.querySelector('iframe').clientHeight > height, height)
  const isCut = await frame.locator('html').evaluate((root) => root.scrollWidth > root.clientWidth)
  assert.ok(!isCut)
  await page.setViewportSize({ width: 1000, height: 800 })
})
await check('answers its client, and lets go of what it showed', async () => {
  const frame = await show('get_entry', { id: 1 })
  await frame.getByRole('heading').waitFor()
  assert.deepEqual(await ask({ id: 7, method: 'ping' }), { jsonrpc: '2.0', id: 7, result: {} })
  assert.equal((await ask({ id: 8, method: 'constructor' })).error.code, -32601)
  const ended = await ask({ id: 9, method: 'ui/resource-teardown', params: {} })
  assert.deepEqual(ended, { jsonrpc: '2.0', id: 9, result: {} })
  assert.equal(await frame.locator('main').innerText(), '')
  // To whatever origin it speaks: it says nothing of the journal.
  const said = JSON.stringify(await page.evaluate(() => window.said))
  for (const personal of ['quiet', 'Whitby', 'walks']) assert.ok(!said.includes(personal), said)
})
await check('hears nobody but its client', async () => {
  const frame = await show('get_entry', { id: 1 })
  await frame.getByRole('heading', { name: 'A quiet day by the sea' }).waitFor()
  const forged = { content: [], structuredContent: { entries: [], total: 0 } }
  await page.evaluate(async (params) => {
    const other = document.createElement('iframe')
    document.body.append(other)
    const message = { jsonrpc: '2.0', method: 'ui/notifications/tool-result', params }
    other.contentWindow.eval(`parent[0].postMessage(${JSON.stringify(message)}, '*')`)
  }, forged)
  await ask({ id: 7, method: 'ping' }) // what came before has been heard, or not
  await frame.getByRole('heading', { name: 'A quiet day by the sea' }).waitFor()
})
await check('loads nothing, sends nothing and runs nothing else', async () => {
  const frame = await show('get_entry', { id: 1 })
  await frame.getByRole('heading').waitFor()
  const tried = await frame.locator('body').evaluate(async (body, url) => {
    const refused = []
    addEventListener('securitypolicyviolation', ({ effectiveDirective }) => refused.push(effectiveDirective))
    const reached = await fetch(url).then(() => true, () => false)
    const image = new Image()
    const loaded = new Promise((done) => (image.onload = () => done(true), image.onerror = () => done(false)))
    image.src = `${url}?image`
    const script = document.createElement('script')
    script.textContent = 'window.ran = true'
    const style = document.createElement('style')
    style.textContent = 'body { color: red }'
    body.append(script, style)
    const outcome = { reached, loaded: await loaded, ran: window.ran === true, color: getComputedStyle(body).color }
    await new Promise((done) => setTimeout(done))
    return { ...outcome, refused: refused.sort() }
  }, MCP_URL)
  assert.deepEqual([tried.reached, tried.loaded, tried.ran], [false, false, false])
  assert.notEqual(tried.color, 'rgb(255, 0, 0)')
  assert.deepEqual(tried.refused, ['connect-src', 'img-src', 'script-src-elem', 'style-src-elem'])
  assert.equal(await page.evaluate(() => window.hurt), undefined)
})

await browser.close()
finish()
