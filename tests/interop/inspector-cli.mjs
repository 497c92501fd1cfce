// The MCP Inspector on the command line starts `epicme stdio`: lists, a tool and a resource, in both kinds of
// protocol versions.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { check, finish } from './check.mjs'

const { TOKEN, PACKAGES, SCRATCH, EPICME, DATABASE } = process.env
const folder = `${PACKAGES}/node_modules/@modelcontextprotocol/inspector`
const { version } = JSON.parse(readFileSync(`${folder}/package.json`))
console.log(`the Inspector ${version} on the command line, over stdio`)

const program = { type: 'stdio', command: EPICME, args: ['stdio', '--database', DATABASE] }
const servers = {}
for (const protocolEra of ['legacy', 'modern']) {
  servers[protocolEra] = { ...program, protocolEra, env: { EPICME_TOKEN: TOKEN } }
}
servers.strange = { ...program, env: { EPICME_TOKEN: 'em_of_another_server' } }
const config = `${SCRATCH}/inspector-cli.json`
writeFileSync(config, JSON.stringify({ mcpServers: servers }))

/** Runs one command of it. */
function run(server, ...words) {
  const launcher = `${folder}/clients/launcher/build/index.js`
  const args = [launcher, '--cli', '--config', config, '--server', server, ...words]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: SCRATCH,
    encoding: 'utf8',
    env: { ...process.env, HOME: SCRATCH },
    timeout: 60_000,
  })
  return { status, stdout, stderr }
}

/** The result of a command that must succeed. */
function result(...words) {
  const { status, stdout, stderr } = run(...words)
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

for (const kind of ['legacy', 'modern']) {
  await check(`${kind}: lists the tools`, () => {
    const { tools } = result(kind, '--method', 'tools/list')
    assert.ok(tools.some((tool) => tool.name === 'create_entry'))
  })
  await check(`${kind}: calls a tool`, () => {
    const words = ['--method', 'tools/call', '--tool-name', 'create_entry', '--tool-arg', `title=${kind}`, 'content=Rain']
    const { structuredContent } = result(kind, ...words)
    assert.equal(structuredContent.entry.title, kind)
  })
  await check(`${kind}: reads a resource`, () => {
    const { contents } = result(kind, '--method', 'resources/read', '--uri', 'epicme://entries')
    assert.match(contents[0].text, new RegExp(kind))
  })
  await check(`${kind}: lists the prompts`, () => {
    const { prompts } = result(kind, '--method', 'prompts/list')
    assert.ok(prompts.length > 0)
  })
}
await check('a wrong token: says what to do', () => {
  const { status, stdout, stderr } = run('strange', '--method', 'tools/list')
  assert.notEqual(status, 0)
  assert.match(stdout + stderr, /the token in EPICME_TOKEN is refused/)
})
finish()
