// Mermaid itself, in Chromium, draws every diagram of the repository's texts, as code hosts do: in light and in dark.
// The tests read only the forms that the texts use; that Mermaid takes them is shown here.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { keepOne, launch } from './browser.mjs'
import { check, finish } from './check.mjs'

const { PACKAGES } = process.env
const files = execFileSync('git', ['ls-files', '-z', '--', '*.md'], { encoding: 'utf8' }).split('\0').filter(Boolean)
const diagrams = files.flatMap((file) => {
  const found = readFileSync(file, 'utf8').matchAll(/^```mermaid\n([^]*?)^```$/gm)
  return [...found].map(([, text], place) => ({ name: `${file.replaceAll(/[/.]/g, '-')}-${place + 1}`, text }))
})

const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1300, height: 1200 } })
await page.addScriptTag({ path: `${PACKAGES}/node_modules/mermaid/dist/mermaid.min.js` })

await check('there are diagrams', () => assert(diagrams.length > 20, `${diagrams.length}`))
for (const theme of ['default', 'dark']) {
  for (const { name, text } of diagrams) {
    await check(`Mermaid draws ${name}, ${theme}`, async () => {
      const drawn = await page.evaluate(
        async ([theme, text]) => {
          mermaid.initialize({ startOnLoad: false, theme })
          const { svg } = await mermaid.render('drawn', text)
          document.body.innerHTML = svg
          document.body.style.background = theme === 'dark' ? '#0d1117' : 'white'
          const widths = (part) => [...document.querySelectorAll(part)].map((part) => part.getBoundingClientRect().width)
          const [boxes, notes] = [widths('rect.note'), widths('text.noteText')]
          return {
            arrows: document.querySelectorAll('.messageText, .flowchart-link').length,
            wide: notes.filter((width, place) => width > boxes[place]).length,
          }
        },
        [theme, text],
      )
      assert.equal(drawn.arrows, text.match(/--?>>|-->/g).length)
      assert.equal(drawn.wide, 0, 'notes that are wider than their boxes')
      await keepOne(page, `diagram-${name}-${theme}`)
    })
  }
}
await browser.close()
finish()
