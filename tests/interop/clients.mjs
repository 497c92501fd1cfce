// The recipes of docs/clients.md, as a person follows them, for the clients that work without an account: each command is
// run, the person signs in where the client opens a browser, and the client must say that it is connected.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { check, finish } from './check.mjs'
import { allow } from './person.mjs'

const { MCP_URL, PACKAGES, SCRATCH, EMAIL, TOKEN, PATH } = process.env
const modules = `${PACKAGES}/node_modules`
const document = readFileSync('docs/clients.md', 'utf8')

/** What the recipe of a client says, for this server. */
function recipe(name) {
  const section = document.split(`\n## ${name}\n`)[1]?.split('\n## ')[0]
  assert.ok(section, `there is no recipe for ${name}`)
  return section.split(/^```.*$/m)[1].trim().replaceAll('http://127.0.0.1:8787/mcp', MCP_URL)
}

// Without the scripts of their packages, two of the clients have no command of their name.
const home = `${SCRATCH}/clients`
const bin = `${home}/bin`
const opened = `${home}/opened`
mkdirSync(`${home}/work`, { recursive: true })
mkdirSync(bin)
symlinkSync(`${modules}/@anthropic-ai/claude-code-linux-x64/claude`, `${bin}/claude`)
symlinkSync(`${modules}/opencode-linux-x64/bin/opencode`, `${bin}/opencode`)
symlinkSync(`${modules}/.bin/gemini`, `${bin}/gemini`)
symlinkSync(`${modules}/.bin/mcp-remote`, `${bin}/mcp-remote`)
symlinkSync(process.execPath, `${bin}/node`)
const [codex] = readdirSync(modules + '/codex-linux-x64/vendor')
symlinkSync(`${modules}/codex-linux-x64/vendor/${codex}/bin/codex`, `${bin}/codex`)
// The browser, by each name under which the clients look for one: it only writes down what it is to open.
for (const name of ['xdg-open', 'x-www-browser', 'www-browser', 'sensible-browser', 'chromium', 'firefox']) {
  writeFileSync(`${bin}/${name}`, `#!/bin/sh\necho "$1" >>'${opened}'\n`, { mode: 0o755 })
}
const env = {
  PATH: `${bin}:${PATH}`,
  HOME: home,
  TERM: 'xterm',
  DISPLAY: ':9',
  BROWSER: `${bin}/xdg-open`,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_AUTOUPDATER: '1',
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  GEMINI_CLI_TRUST_WORKSPACE: 'true', // else it turns every server off
}

/**
 * Runs a command; the person signs in once if it asks for that. Gives what it printed, and whether it asked. Its input
 * stays open after `input`, if there is any, even an empty one.
 */
async function run(command, input) {
  const child = spawn('sh', ['-c', command], { cwd: `${home}/work`, env })
  let output = ''
  let code
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  child.on('close', (status, signal) => (code = status ?? signal))
  const timer = setTimeout(() => child.kill(), 60_000)
  child.stdin.on('error', () => {}) // it may end before it has read
  child.stdin.write(input ?? '')
  let asked = false
  while (code === undefined) {
    const shown = output + (existsSync(opened) ? readFileSync(opened, 'utf8') : '')
    const url = shown.match(/http:\/\/127\.0\.0\.1:\d+\/authorize\?[^\s"\u001b]+/)
    if (url && !asked) {
      asked = true
      rmSync(opened, { force: true })
      const { redirect } = await allow(url[0])
      assert.equal((await fetch(redirect)).status, 200, 'the client takes the code')
    }
    // mcp-remote ends with its input; a client that waits for the person gives up without one.
    if (input === undefined || output.includes('"id":2,"result"')) child.stdin.end()
    await new Promise((wake) => setTimeout(wake, 100))
  }
  clearTimeout(timer)
  output = output.replace(/\u001b\[[0-9;?]*[a-zA-Z]/g, '')
  assert.equal(code, 0, `${command} ended with ${code}: ${output}`)
  return { output, asked }
}

console.log('the recipes of docs/clients.md')

await check('Claude Code signs in and connects', async () => {
  const [add, login] = recipe('Claude Code').split('\n')
  await run(add)
  assert.ok((await run('claude mcp list')).output.includes('Needs authentication'))
  const { output, asked } = await run(`script -qfec '${login}' /dev/null`, '')
  assert.ok(asked && output.includes('Authenticated with'), output)
  assert.match((await run('claude mcp list')).output, /epicme: .*Connected/)
})
await check('Codex CLI signs in', async () => {
  const { output, asked } = await run(recipe('Codex CLI'))
  assert.ok(asked && output.includes('Successfully logged in'), output)
  assert.match((await run('codex mcp list')).output, /epicme .* enabled +OAuth/)
})
await check('opencode signs in and connects', async () => {
  const [add, auth] = recipe('opencode').split('\n')
  await run(add)
  const { output, asked } = await run(auth, '')
  assert.ok(asked && output.includes('Authentication successful'), output)
  assert.match((await run('opencode mcp list')).output, /epicme +connected/)
})
await check('Gemini CLI takes the recipe, and with a token it connects', async () => {
  const add = recipe('Gemini CLI')
  await run(add)
  await run(add.replace(' epicme ', ` --header "Authorization: Bearer ${TOKEN}" with-token `))
  const { output } = await run('gemini mcp list')
  assert.match(output, /epicme: .* - Disconnected/)
  assert.match(output, /with-token: .* - Connected/)
})
await check('mcp-remote signs in, and a tool is called through it', async () => {
  const { command, args } = JSON.parse(recipe('mcp-remote')).mcpServers.epicme
  assert.deepEqual([command, args[0]], ['npx', '-y'])
  const messages = [
    {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'epicme-interop', version: '1' } },
    },
    { method: 'notifications/initialized' },
    { id: 2, method: 'tools/call', params: { name: 'whoami', arguments: {} } },
  ]
  const lines = messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  const { output, asked } = await run(args.slice(1).join(' '), lines.join(''))
  assert.ok(asked && output.includes(EMAIL), output)
})

finish()
