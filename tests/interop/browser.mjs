// A headless Chromium, for the scripts that look at pages as a person does.
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'

const { PACKAGES } = process.env
const { chromium } = createRequire(`${PACKAGES}/`)('playwright-core')

export const launch = () =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })

const screens = `${PACKAGES}/screens`
mkdirSync(screens, { recursive: true })
const wide = { width: 1000, height: 800 }
const phone = { width: 390, height: 844 }
const looks = [
  ['light', 'light', wide],
  ['dark', 'dark', wide],
  ['phone', 'light', phone],
  ['phone-dark', 'dark', phone],
]

/** Keeps the page as it looks in light, in dark and on a phone. */
export async function keep(page, name) {
  for (const [look, colorScheme, size] of looks) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize(size)
    await page.screenshot({ path: `${screens}/${name}-${look}.png`, fullPage: true, animations: 'disabled' })
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(wide)
}

/** Keeps the page as it is. */
export const keepOne = (page, name) => page.screenshot({ path: `${screens}/${name}.png`, animations: 'disabled' })
