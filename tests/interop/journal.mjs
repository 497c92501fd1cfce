// The pages of a journal in Chromium: a month, a day, an entry, a tag and a search, read and written as a person does it.
import assert from 'node:assert/strict'
import { check, finish } from './check.mjs'
import { browser, complaints, look, open, tabOrder } from './look.mjs'

const { MCP_URL, EMAIL, PASSWORD, TOKEN } = process.env
const origin = new URL(MCP_URL).origin

/** What a program with a token does. */
async function call(name, given) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const params = { name, arguments: given, _meta }
  const response = await fetch(MCP_URL, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${TOKEN}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  const { result, error } = await response.json()
  assert.ok(result && !result.isError, JSON.stringify(error ?? result))
  return result.structuredContent
}

const sea = await call('create_tag', { name: 'sea', description: 'Everything by the water' })
await call('create_tag', { name: 'a rather long name of a tag that no row of a narrow phone holds as a whole' })
const text = [
  'We walked along the beach until it was dark. The wind had turned, and the lamps of the harbour went on.',
  'Bought:\n  - two lemons\n  - a postcard\n\tand nothing else',
  'הלכנו לאורך החוף עד שהחשיך.',
].join('\n\n')
const { entry } = await call('create_entry', {
  title: 'A walk by the sea',
  content: text,
  date: '2025-01-31T17:45:00+01:00',
  mood: 'calm',
  location: 'Ostend',
  weather: 'windy, later clear',
  isFavorite: 1,
  tags: [sea.tag.id],
})
for (let number = 1; number <= 24; number += 1) {
  const title = `Note ${number} of the last day of January`
  await call('create_entry', { title, content: 'What was left to say. '.repeat(30), date: '2025-01-31' })
}
await call('create_entry', { title: 'A new year', content: 'Snow.', date: '2025-01-01', tags: [sea.tag.id] })
await call('create_entry', {
  title: `<script>alert(1)</script> ${'Averylongtitlewithoutablank'.repeat(5)}`,
  content: '<img src=x onerror=alert(1)> & "quotes"',
  date: '2025-01-15',
})
await call('create_entry', { title: 'Today', content: 'Now.' })

const page = await open()
console.log(`journal, Chromium ${browser.version()}`)

await check('a page asks for the sign-in and comes back to itself', async () => {
  await page.goto(`${origin}/journal/day/2025-01-31`)
  await page.getByLabel('Email').fill(EMAIL)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Friday, 31 January 2025' }).waitFor()
})
await look(page, 'journal-day')
await check('a long day goes on behind a link', async () => {
  assert.equal(await page.getByRole('article').count(), 20)
  await page.getByRole('link', { name: 'Older entries' }).click()
  await page.waitForURL(/after=/)
  assert.equal(await page.getByRole('article').count(), 5)
})

await page.goto(`${origin}/journal/month/2025-01`)
await look(page, 'journal-month')
await check('month: a table whose cells say which day of the week they are', async () => {
  const table = page.getByRole('table', { name: /January 2025/ })
  const heads = await table.getByRole('columnheader').allInnerTexts()
  assert.deepEqual(heads.map((head) => head.replaceAll(/\s/g, '').slice(0, 2)), ['Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa', 'Su'])
  // It began on a Wednesday.
  const first = await table.getByRole('row').nth(1).getByRole('cell').nth(2).innerText()
  assert.equal(first.replaceAll(/\s+/g, ' '), '1 January: 1 entry')
})
await check('month: Tab reaches the months, the days with entries, and the jump', async () => {
  await page.goto(`${origin}/journal/month/2025-01`)
  const reached = await tabOrder(page)
  const from = reached.indexOf('← December 2024')
  assert.deepEqual(reached.slice(from, from + 5), [
    ...['← December 2024', 'February 2025 →', '1 January: 1 entry', '15 January: 1 entry', '31 January: 25 entries'],
  ])
  assert.match(reached[from + 5], /^Go to a month/)
  // The field for a month has parts of its own to stop at, behind the last of which is the button.
  const button = page.getByRole('button', { name: 'Go' })
  const focused = () => button.evaluate((element) => element === document.activeElement)
  for (let presses = 0; presses < 4 && !(await focused()); presses += 1) await page.keyboard.press('Tab')
  assert.ok(await focused())
})
await check('month: by keyboard alone to a day and to an entry', async () => {
  await page.goto(`${origin}/journal/month/2025-01`)
  await page.getByRole('link', { name: /^31 January/ }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Friday, 31 January 2025' }).waitFor()
})
await check('month: a month is jumped to', async () => {
  await page.goto(`${origin}/journal`)
  await page.getByLabel('Go to a month').fill('2025-01')
  await page.getByRole('button', { name: 'Go' }).click()
  await page.waitForURL(`${origin}/journal/month/2025-01`)
})
await check('month: today is marked', async () => {
  await page.goto(`${origin}/journal`)
  assert.equal(await page.locator('td[aria-current=date]').count(), 1)
})
await look(page, 'journal-this-month')
await page.goto(`${origin}/journal/month/1999-02`)
await look(page, 'journal-empty-month')
await page.goto(`${origin}/journal/day/1999-02-28`)
await look(page, 'journal-empty-day')

await page.goto(`${origin}/journal/entry/${entry.id}`)
await look(page, 'journal-entry')
await check('entry: its text keeps its paragraphs and blanks', async () => {
  const shown = await page.locator('.text p').allInnerTexts()
  assert.equal(shown.join('\n\n'), text)
})
await page.goto(`${origin}/journal/day/2025-01-15`)
await look(page, 'journal-hostile-day')
await page.getByRole('article').getByRole('link').first().click()
await look(page, 'journal-hostile-entry')
await page.goto(`${origin}/journal/tags`)
await look(page, 'journal-tags')
await page.getByRole('link', { name: 'sea', exact: true }).click()
await look(page, 'journal-tag')
await page.goto(`${origin}/journal/search`)
await look(page, 'journal-search')
await check('search: by keyboard, and what was found is marked', async () => {
  await page.getByLabel('Look for').fill('lemons the')
  await page.keyboard.press('Enter')
  await page.getByRole('status').waitFor()
  assert.equal(await page.getByRole('article').count(), 1)
  assert.ok((await page.locator('mark').allInnerTexts()).includes('lemons'))
  assert.equal(await page.getByLabel('Look for').inputValue(), 'lemons the')
})
await look(page, 'journal-found')
await page.goto(`${origin}/journal/entry/999`)
await look(page, 'journal-not-found')

await check('no page loads anything that its policy forbids, or complains', () => assert.deepEqual(complaints, []))
await browser.close()
console.log('  screenshots are in target/interop/screens')
finish()
