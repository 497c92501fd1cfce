// How every page is looked at: what it looks like, whether its text can be read, by keyboard, and what it may load.
import assert from 'node:assert/strict'
import { launch, keep } from './browser.mjs'
import { check } from './check.mjs'

export const browser = await launch()

export const complaints = [] // errors in a console, such as what the policy blocked
/** A page without JavaScript in a browser of its own. */
export async function open() {
  const context = await browser.newContext({ javaScriptEnabled: false })
  context.setDefaultTimeout(10_000)
  const page = await context.newPage()
  // A page that asks again with 400 or 403 is meant to.
  page.on('console', (line) => {
    const expected = /the server responded with a status of 4/.test(line.text())
    if (line.type() === 'error' && !expected) complaints.push(`${new URL(page.url()).pathname}: ${line.text()}`)
  })
  return page
}

/** What Tab reaches, in order, from the top of the page; `:focus-visible` must show on each. */
export async function tabOrder(page) {
  const reached = []
  for (;;) {
    await page.keyboard.press('Tab')
    const focused = await page.locator(':focus').all()
    if (focused.length === 0 || reached.length > 40) return reached
    const [name, outline] = await focused[0].evaluate((element) => [
      element.labels?.[0]?.innerText || element.innerText || element.name,
      getComputedStyle(element).outlineStyle,
    ])
    assert.notEqual(outline, 'none', `the focus does not show on ${name}`)
    reached.push(name.replaceAll(/\s+/g, ' ').trim())
  }
}

/** Nothing sticks out at the side, on a phone of 320 px and with the text at twice its size. */
export async function fits(page) {
  for (const [width, size] of [[320, '100%'], [390, '200%']]) {
    await page.setViewportSize({ width, height: 800 })
    await page.evaluate((size) => (document.documentElement.style.fontSize = size), size)
    const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
    const wide = await page.evaluate(() => {
      const all = [...document.querySelectorAll('body *')]
      const out = all.filter((element) => element.getBoundingClientRect().right > innerWidth)
      return out.map((element) => `${element.tagName} ${element.innerText.slice(0, 40)}`)
    })
    assert.ok(content <= view, `${wide.join(', ')}: at ${width} px with text of ${size} the page is ${content} px wide`)
  }
}

/** Contrast by WCAG 2.2 of every text with what is behind it: at least 4.5. */
async function contrasts(page) {
  const faint = await page.evaluate(() => {
    const parse = (color) => color.match(/[\d.]+/g).map(Number)
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      return 0.2126 * x + 0.7152 * y + 0.0722 * z
    }
    const behind = (element) => {
      for (; element; element = element.parentElement) {
        const color = parse(getComputedStyle(element).backgroundColor)
        if (color.length === 3 || color[3] > 0) return color
      }
      return [255, 255, 255]
    }
    const found = []
    for (const element of document.querySelectorAll('main *')) {
      if (!element.innerText?.trim() && element.tagName !== 'INPUT') continue
      const [a, b] = [parse(getComputedStyle(element).color), behind(element)].map(luminance)
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      if (ratio < 4.5) found.push(`${element.tagName} ${element.innerText}: ${ratio.toFixed(2)}`)
    }
    return found
  })
  assert.deepEqual(faint, [])
}

/** Each look of a page kept, and what holds for every page. */
export async function look(page, name) {
  await keep(page, name)
  await check(`${name}: one heading, a title, a language, a label on each field`, async () => {
    assert.equal(await page.locator('h1').count(), 1)
    assert.match(await page.title(), / · epicme$/)
    assert.equal(await page.locator('html').getAttribute('lang'), 'en')
    for (const field of await page.locator('textarea, input:not([type=hidden])').all()) {
      const labels = await field.evaluate((element) => element.labels.length)
      assert.equal(labels, 1, `a field has ${labels} labels`)
    }
    const ids = await page.locator('[id]').evaluateAll((all) => all.map((element) => element.id))
    assert.equal(new Set(ids).size, ids.length, `an id is there twice: ${ids}`)
  })
  await check(`${name}: fits a narrow phone and big text`, () => fits(page))
  await page.evaluate(() => (document.documentElement.style.fontSize = ''))
  await page.setViewportSize({ width: 1000, height: 800 })
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await check(`${name}: text is readable in ${colorScheme}`, () => contrasts(page))
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await check(`${name}: targets are at least 24 px`, async () => {
    for (const target of await page.locator('button, .button, textarea, input:not([type=hidden])').all()) {
      const box = await target.evaluate((element) =>
        (element.closest('fieldset label') ?? element).getBoundingClientRect().toJSON(),
      )
      assert.ok(box.width >= 24 && box.height >= 24, `${box.width} x ${box.height}`)
    }
  })
}
