// The MCP Inspector's page: it is started, and a person adds the server to it and signs in.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { freePort } from './ports.mjs'

const { MCP_URL, PACKAGES, SCRATCH, EMAIL, PASSWORD } = process.env
const folder = `${PACKAGES}/node_modules/@modelcontextprotocol/inspector`
export const inspectorVersion = JSON.parse(readFileSync(`${folder}/package.json`)).version

/** Starts it with these servers in its list, and gives the URL of its page. It ends with this process. */
export async function startInspector(mcpServers) {
  mkdirSync(`${SCRATCH}/.mcp-inspector`, { recursive: true })
  writeFileSync(`${SCRATCH}/.mcp-inspector/mcp.json`, JSON.stringify({ mcpServers }))
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
  return new Promise((found, lost) => {
    const read = (data) => {
      output += data
      const shown = output.match(/http:\S+MCP_INSPECTOR_API_TOKEN=\S+(?=\s)/)
      if (shown) found(shown[0])
    }
    inspector.stdout.on('data', read)
    inspector.stderr.on('data', read)
    inspector.on('exit', () => lost(new Error(`the Inspector ended: ${output}`)))
  })
}

/** Adds the server by its URL, on the Inspector's page. */
export async function addServer(page, url) {
  await page.goto(url)
  await page.getByRole('button', { name: 'Add Servers' }).click()
  await page.getByRole('menuitem', { name: 'Add manually' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Server ID').fill('epicme')
  await dialog.getByRole('textbox', { name: 'Transport' }).click()
  await page.getByRole('option', { name: 'streamable-http' }).click()
  await dialog.getByRole('textbox', { name: 'URL' }).fill(MCP_URL)
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
}

/** Signs in on the server's page, to which the Inspector has led. */
export async function signIn(page) {
  await page.waitForURL((url) => url.pathname === '/authorize')
  await page.getByLabel('Email').fill(EMAIL)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
}
