// epicme's own pages in Chromium: what they look like, by keyboard alone, without JavaScript, and what they may load.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { keep } from './browser.mjs'
import { check, finish } from './check.mjs'
import { browser, complaints, look, open, tabOrder } from './look.mjs'

const { MCP_URL, SETUP_URL, EMAIL, PASSWORD } = process.env
const origin = new URL(MCP_URL).origin

const page = await open()
console.log(`pages, Chromium ${browser.version()}`)

await check('set-up: opens by the printed link alone, and says where that is', async () => {
  assert.equal((await page.goto(`${origin}/setup`)).status(), 403)
  await page.getByText(`${origin}/setup?code=`).waitFor()
  assert.equal(await page.locator('form').count(), 0)
})
await look(page, 'set-up-without-code')
await page.goto(SETUP_URL)
await check('set-up: Tab reaches the fields and the button, in order', async () => {
  assert.deepEqual(await tabOrder(page), ['Email', 'Password', 'Begin'])
})
await look(page, 'set-up')
await check('set-up: a weak password is refused, announced, and the email kept', async () => {
  await page.getByLabel('Email').fill(EMAIL)
  await page.getByLabel('Password').fill('short')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  assert.equal(await page.getByLabel('Email').inputValue(), EMAIL)
  await keep(page, 'set-up-refused')
})
await check('set-up: Enter makes the first person', async () => {
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('status').waitFor()
})
await look(page, 'set-up-done')
await check('set-up: works once', async () => {
  const other = await open()
  assert.equal((await other.goto(SETUP_URL)).status(), 410)
  await look(other, 'set-up-again')
  await other.context().close()
})

await page.goto(origin)
await look(page, 'home')
await check('home: the URL to copy is there', async () => {
  assert.ok((await page.locator('pre').allInnerTexts()).includes(MCP_URL))
})

const verifier = randomBytes(32).toString('base64url')
/** Registers a client, and gives the URL that it would show to a person. */
async function authorizeUrl(name, redirect, scope) {
  const registered = await fetch(`${origin}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirect] }),
  })
  const { client_id } = await registered.json()
  const url = new URL('/authorize', origin)
  const parameters = {
    response_type: 'code',
    client_id,
    redirect_uri: redirect,
    state: 's',
    resource: MCP_URL,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(scope && { scope }),
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

const client = createServer((request, response) => {
  // Some clients send the browser on, to another origin: here from `/onward` to `localhost`.
  const { pathname, search } = new URL(request.url, 'http://client')
  const onward = `http://localhost:${client.address().port}/callback${search}`
  response.writeHead(...(pathname === '/onward' ? [302, { Location: onward }] : [200]))
  response.end('You can close this window.')
}).listen(0)
await once(client, 'listening')
const redirect = `http://127.0.0.1:${client.address().port}/callback`

const stranger = await open()
await stranger.goto(await authorizeUrl('Claude Code', redirect))
await check('sign-in: Tab reaches the fields and the button, in order', async () => {
  assert.deepEqual(await tabOrder(stranger), ['Email', 'Password', 'Sign in'])
})
await look(stranger, 'sign-in')
await check('sign-in: a wrong password is announced, and the email kept', async () => {
  await stranger.getByLabel('Email').fill(EMAIL)
  await stranger.getByLabel('Password').fill('wrong wrong wrong')
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('alert').waitFor()
  assert.equal(await stranger.getByLabel('Email').inputValue(), EMAIL)
  assert.equal(await stranger.getByLabel('Password').inputValue(), '')
})
await look(stranger, 'sign-in-refused')
await check('sign-in: Enter goes on to consent', async () => {
  await stranger.getByLabel('Password').fill(PASSWORD)
  await stranger.keyboard.press('Enter')
  await stranger.getByText('Claude Code').waitFor()
})
await look(stranger, 'consent')
await check('consent: Tab reaches each box, Allow, Deny and the link, in order', async () => {
  await stranger.reload()
  const reached = await tabOrder(stranger)
  assert.equal(reached.length, 8, `${reached}`)
  assert.deepEqual(reached.slice(-3), ['Allow', 'Deny', 'your account page'])
})
await check('consent: nothing ticked asks again', async () => {
  await stranger.reload()
  for (const box of await stranger.getByRole('checkbox').all()) await box.uncheck()
  await stranger.getByRole('button', { name: 'Allow' }).click()
  await stranger.getByRole('alert').waitFor()
  await keep(stranger, 'consent-nothing-ticked')
})
await check('consent: a form that has decided nothing is asked again', async () => {
  await stranger.reload() // sends the form again
  assert.match(await stranger.getByRole('alert').innerText(), /Tick at least one box/)
  await look(stranger, 'consent-again')
})
await check('consent: by keyboard alone, to the client', async () => {
  await stranger.goto(await authorizeUrl('Claude Code', redirect))
  for (let presses = 0; presses < 5; presses += 1) await stranger.keyboard.press('Tab')
  await stranger.keyboard.press('Space') // the last box: less than was asked
  await stranger.keyboard.press('Tab')
  await stranger.keyboard.press('Enter')
  await stranger.waitForURL(/\/callback\?/)
  const { searchParams } = new URL(stranger.url())
  assert.ok(searchParams.get('code'))
  assert.equal(searchParams.get('state'), 's')
  assert.equal(searchParams.get('iss'), origin)
})
/** Opens a page of epicme's, signing in where that is asked: on plain http a person is signed out before a browser goes to a client. */
async function visit(url) {
  await stranger.goto(url)
  if ((await stranger.getByRole('button', { name: 'Sign in' }).count()) === 0) return
  await stranger.getByLabel('Email').fill(EMAIL)
  await stranger.getByLabel('Password').fill(PASSWORD)
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('heading', { name: /Allow access|Your account/ }).waitFor()
}
for (const [kind, uri] of [
  ['an IPv6 address', redirect.replace('127.0.0.1', '[::1]')],
  ['a client that sends the browser on to another origin', redirect.replace('/callback', '/onward')],
]) {
  await check(`consent: to ${kind}`, async () => {
    await visit(await authorizeUrl('Claude Code', uri))
    await stranger.getByRole('button', { name: 'Allow' }).click()
    await stranger.waitForURL(/\/callback\?code/, { timeout: 3000 })
  })
}
await check('sign-in: a request that can not be granted goes back to the client after it', async () => {
  const other = await open()
  await other.goto((await authorizeUrl('Claude Code', redirect)).replace('response_type=code', 'response_type=token'))
  await other.getByLabel('Email').fill(EMAIL)
  await other.getByLabel('Password').fill(PASSWORD)
  await other.keyboard.press('Enter')
  await other.waitForURL(/\/callback\?error=unsupported_response_type/, { timeout: 3000 })
  await other.context().close()
})
await check('consent: Deny tells the client', async () => {
  await visit(await authorizeUrl('Claude Code', redirect))
  await stranger.getByRole('button', { name: 'Deny' }).click()
  await stranger.waitForURL(/\/callback\?error=access_denied/)
})
await check('consent: a long name that would be markup stays text', async () => {
  const name = `<img src=x onerror=alert(1)> ${'Averylongnamewithoutaspace'.repeat(6)}`
  const far = 'https://a-rather-long-host-name.for-a-client.example/callback'
  await visit(await authorizeUrl(name, far, 'entries:read'))
  await stranger.getByText(name).first().waitFor()
  await look(stranger, 'consent-long-name')
})
await check('a fault is a page, and says what to do', async () => {
  // 400, which fastmcp takes as: register again. Any other status makes it give up.
  assert.equal((await stranger.goto(`${origin}/authorize?client_id=nobody`)).status(), 400)
})
await look(stranger, 'fault')

// Two clients with tokens, for the account page.
const tokens = {}
for (const name of ['Claude Code', 'MCP Inspector']) {
  await check(`${name} gets its tokens`, async () => {
    const url = await authorizeUrl(name, redirect)
    await visit(url)
    await stranger.getByRole('button', { name: 'Allow' }).click()
    await stranger.waitForURL(/\/callback\?code/)
    const code = new URL(stranger.url()).searchParams.get('code')
    const client_id = new URL(url).searchParams.get('client_id')
    const form = { grant_type: 'authorization_code', code, client_id, code_verifier: verifier }
    const answer = await fetch(`${origin}/token`, { method: 'POST', body: new URLSearchParams(form) })
    assert.equal(answer.status, 200)
    tokens[name] = (await answer.json()).access_token
  })
}
/** What the gate says to a client: 401, or something that comes behind it. */
async function admitted(name) {
  const headers = { Authorization: `Bearer ${tokens[name]}` }
  return (await fetch(MCP_URL, { headers })).status !== 401
}
await visit(`${origin}/account`)
await look(stranger, 'account')
await check('account: Tab reaches every button and field, in order', async () => {
  await stranger.reload()
  assert.deepEqual(await tabOrder(stranger), [
    'Take access back from MCP Inspector',
    'Take access back from Claude Code',
    ...['Time zone', 'Change time zone'],
    ...['Current password', 'New password', 'Change password'],
    ...['Your password', 'Set up a second factor'],
    ...['Your password', 'Download Markdown (ZIP)', 'Download JSON'],
    ...['Sign out here', 'Sign out everywhere'],
    ...['Your journal', 'How to connect a program'],
  ])
})
await check('account: access is taken back, from that client alone, and that is announced', async () => {
  assert.ok(await admitted('MCP Inspector'))
  await stranger.getByRole('button', { name: 'Take access back from MCP Inspector' }).click()
  await stranger.getByRole('status').waitFor()
  assert.equal(await stranger.locator('.card', { hasText: 'MCP Inspector' }).count(), 0)
  await stranger.locator('.events li', { hasText: 'Access was taken back from a program: MCP Inspector' }).waitFor()
  assert.equal(await stranger.getByRole('button', { name: /Take access back/ }).count(), 1)
  assert.ok(!(await admitted('MCP Inspector')))
  assert.ok(await admitted('Claude Code'))
})
await look(stranger, 'account-taken-back')
await check('account: a time zone is chosen from those that are proposed, and an unknown one is announced', async () => {
  assert.ok((await stranger.locator('#zone').evaluate((field) => field.list.options.length)) > 400)
  await stranger.getByLabel('Time zone').fill('Berlin')
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('alert').waitFor()
  assert.equal(await stranger.getByLabel('Time zone').inputValue(), 'Berlin')
  await look(stranger, 'account-unknown-zone')
  await stranger.getByLabel('Time zone').fill('Europe/Berlin')
  await stranger.getByRole('button', { name: 'Change time zone' }).click()
  await stranger.getByRole('status').waitFor()
  assert.equal(await stranger.getByLabel('Time zone').inputValue(), 'Europe/Berlin')
})
await check('account: a wrong current password is announced', async () => {
  await stranger.getByLabel('Current password').fill('wrong wrong wrong')
  await stranger.getByLabel('New password').fill('another password')
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('alert').waitFor()
})
/** The code that Debian's oathtool computes for so many seconds from now. */
const code = (secret, seconds = 0) =>
  execFileSync('oathtool', ['--totp', '--base32', '--now', `${seconds} seconds`, secret], { encoding: 'utf8' }).trim()
let secret
await check('second factor: is set up, with a code of oathtool and a button that is pressed twice', async () => {
  await stranger.locator('#factor-password').fill(PASSWORD)
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor()
  await look(stranger, 'second-factor-set-up')
  secret = (await stranger.locator('pre').innerText()).replaceAll(' ', '')
  await stranger.getByRole('textbox', { name: /Code/ }).fill('000000')
  await stranger.keyboard.press('Enter')
  await stranger.getByRole('alert').waitFor()
  assert.equal((await stranger.locator('pre').innerText()).replaceAll(' ', ''), secret)
  await stranger.getByRole('textbox', { name: /Code/ }).fill(code(secret))
  await stranger.getByRole('button', { name: 'Switch it on' }).dblclick()
  await stranger.getByRole('heading', { name: 'Your recovery codes' }).waitFor()
  await look(stranger, 'recovery-codes')
  assert.equal((await stranger.locator('pre').innerText()).trim().split('\n').length, 10)
  await stranger.getByRole('link', { name: 'Your account' }).click()
  await stranger.getByText('10 recovery codes are left').waitFor()
  await look(stranger, 'account-with-factor')
})
await check('second factor: the sign-in asks for a code, and takes that of oathtool once', async () => {
  const signIn = async (code) => {
    const other = await open()
    await other.goto(`${origin}/account`)
    await other.getByLabel('Email').fill(EMAIL)
    await other.getByLabel('Password').fill(PASSWORD)
    await other.keyboard.press('Enter')
    await other.getByRole('heading', { name: 'Enter the code of your app' }).waitFor()
    assert.deepEqual(await tabOrder(other), ['Code of your app, or a recovery code', 'Sign in', 'Begin again'])
    await look(other, 'second-step')
    await other.getByRole('textbox', { name: /Code/ }).fill(code)
    await other.keyboard.press('Enter')
    return other
  }
  const next = code(secret, 30) // a phone may be ahead, and that of now is used
  const other = await signIn(next)
  await other.getByRole('heading', { name: 'Your account' }).waitFor()
  await other.context().close()
  for (const refused of [next, code(secret, -90), code(secret, 90)]) {
    const other = await signIn(refused)
    await other.getByRole('alert').waitFor()
    await keep(other, 'second-step-refused')
    await other.context().close()
  }
})
await check('account: signing out ends it, and Back shows nothing', async () => {
  await stranger.getByRole('button', { name: 'Sign out here' }).click()
  await stranger.waitForURL(`${origin}/`)
  await stranger.goto(`${origin}/account`)
  await stranger.getByRole('button', { name: 'Sign in' }).waitFor()
})
await look(stranger, 'account-sign-in')
await check('the cookie is for this server alone', async () => {
  const cookies = await stranger.context().cookies()
  assert.equal(cookies.length, 1)
  assert.equal(cookies[0].httpOnly, true)
  assert.equal(cookies[0].sameSite, 'Lax')
})
await check('no page loads anything that its policy forbids, or complains', () => assert.deepEqual(complaints, []))

await browser.close()
client.close()
console.log(`  screenshots are in target/interop/screens`)
finish()
