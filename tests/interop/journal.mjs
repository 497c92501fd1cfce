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
await check('entry: a title that is written from the right stands at the right', async () => {
  const { entry } = await call('create_entry', { title: 'יום ארוך', content: 'שלום', date: '2025-01-14' })
  await page.goto(`${origin}/journal/entry/${entry.id}`)
  const [left, right] = await page.getByRole('heading', { level: 1 }).evaluate((heading) => {
    const range = document.createRange()
    range.selectNodeContents(heading)
    const [text, all] = [range.getBoundingClientRect(), heading.getBoundingClientRect()]
    return [text.left - all.left, all.right - text.right]
  })
  assert.ok(left > 100 && right < 10, `${left} ${right}`)
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

// Writing.
await check('write: Tab reaches each field, and Save', async () => {
  await page.goto(`${origin}/journal`)
  await page.getByRole('link', { name: 'Write', exact: true }).click()
  await page.getByRole('heading', { name: 'A new entry' }).waitFor()
  await page.getByLabel('Title').focus()
  for (const [label, presses] of [['Text', 1], ['Date', 1], ['Time', 4], ['Tags', 4], ['Mood', 1], ['Place', 1], ['Weather', 1]]) {
    const field = page.getByLabel(label, { exact: true })
    const focused = () => field.evaluate((element) => element === document.activeElement)
    for (let press = 0; press < presses && !(await focused()); press += 1) await page.keyboard.press('Tab')
    assert.ok(await focused(), `Tab reaches ${label}`)
  }
  for (const name of ['Favorite', 'Private', 'Save', 'Leave without saving']) {
    await page.keyboard.press('Tab')
    assert.match(await page.locator(':focus').evaluate((e) => e.labels?.[0]?.innerText ?? e.innerText), new RegExp(`^\\s*${name}`))
  }
})
await look(page, 'journal-new')
const typed = 'First line\n\n  indented \u200f<b>and</b> "quoted"\n'
await check('write: what is wrong is said beside its field, and nothing typed is lost', async () => {
  await page.getByLabel('Title').fill('  ')
  await page.getByLabel('Text', { exact: true }).fill(typed)
  await page.getByLabel('Tags').fill('harbour\nsea')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').waitFor()
  assert.equal(await page.getByLabel('Text', { exact: true }).inputValue(), typed)
  assert.equal(await page.getByLabel('Tags').inputValue(), 'harbour\nsea')
  assert.equal(await page.getByLabel('Title').getAttribute('aria-invalid'), 'true')
  await page.getByText('Title must not be empty.').waitFor()
})
await look(page, 'journal-new-refused')
await check('write: an entry is saved, and a program finds it as it was typed', async () => {
  await page.getByLabel('Title').fill('From the browser')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'From the browser' }).waitFor()
  const id = Number(new URL(page.url()).pathname.split('/').at(-1))
  const { entry } = await call('get_entry', { id })
  assert.equal(entry.content, typed)
  assert.deepEqual(entry.tags.map((tag) => tag.name), ['harbour', 'sea'])
  assert.equal(entry.date, new Date().toISOString().slice(0, 10))
})
await check('change: two at once, and both are shown', async () => {
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  await page.getByRole('heading', { name: 'Change an entry' }).waitFor()
  const id = Number(new URL(page.url()).pathname.split('/').at(-2))
  await call('update_entry', { id, append: 'A program was here.' })
  await page.getByLabel('Title').fill('Changed in the browser')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').waitFor()
  await page.getByText('A program was here.').waitFor()
  assert.equal(await page.getByLabel('Title').inputValue(), 'Changed in the browser')
  assert.equal((await call('get_entry', { id })).entry.title, 'From the browser')
})
await look(page, 'journal-conflict')
await check('change: the person may save over it', async () => {
  await page.getByRole('button', { name: 'Save mine over it' }).click()
  await page.getByRole('heading', { name: 'Changed in the browser' }).waitFor()
  assert.equal(await page.getByText('A program was here.').count(), 0)
})
await check('write: signed out meanwhile, a person keeps what they typed, and saves it after the sign-in', async () => {
  await page.getByRole('link', { name: 'Change', exact: true }).click()
  await page.getByLabel('Text', { exact: true }).fill('Typed for a long time.')
  const other = await page.context().newPage()
  await other.goto(`${origin}/account`)
  await other.getByRole('button', { name: 'Sign out everywhere' }).click()
  await other.waitForURL(`${origin}/`)
  // The browser has no cookie now. One whose session has ended keeps it.
  await other.goto(`${origin}/account`)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('you were signed out meanwhile').waitFor()
  await look(page, 'journal-signed-out')
  assert.equal(await page.getByLabel('Text', { exact: true }).inputValue(), 'Typed for a long time.')
  await other.goto(`${origin}/journal`)
  await other.getByLabel('Email').fill(EMAIL)
  await other.getByLabel('Password').fill(PASSWORD)
  await other.keyboard.press('Enter')
  await other.getByRole('link', { name: 'Write', exact: true }).waitFor()
  await other.close()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Press Save again.').waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Typed for a long time.').waitFor()
  await page.getByRole('link', { name: 'Delete', exact: true }).waitFor()
})
await look(page, 'journal-entry-own')
await check('delete: asks on a page of its own, and does it', async () => {
  const entry = page.url()
  await page.getByRole('link', { name: 'Delete', exact: true }).click()
  await page.getByRole('heading', { name: 'Delete this entry?' }).waitFor()
  await look(page, 'journal-delete')
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.waitForURL(/\/journal\/day\//)
  assert.equal((await page.goto(entry)).status(), 404)
})

await check('no page loads anything that its policy forbids, or complains', () => assert.deepEqual(complaints, []))
await browser.close()
console.log('  screenshots are in target/interop/screens')
finish()
