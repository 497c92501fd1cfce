// The person at the browser: opens the URL that a client shows, signs in, and allows what is asked for.

const { EMAIL, PASSWORD } = process.env
const entities = { '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' }
const text = (escaped) => escaped.replace(/&[^;]+;/g, (entity) => entities[entity])

/**
 * Gives the URL that the browser is sent to in the end, at the client, and the scopes that had a box to tick. Ticks all
 * of them, or those of `wanted`.
 */
export async function allow(authorizeUrl, wanted) {
  const cookies = new Map()
  async function open(url, form) {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      redirect: 'manual',
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/)
      cookies.set(name, value)
    }
    return { status: response.status, location: response.headers.get('location'), html: await response.text(), url }
  }

  function submit(page, action, answers) {
    if (!page.html.includes(`action="${action}"`)) {
      throw new Error(`the page has no form for ${action}: ${page.status} ${page.location ?? page.html}`)
    }
    const hidden = [...page.html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)]
    const form = Object.fromEntries(hidden.map(([, name, value]) => [name, text(value)]))
    return open(new URL(action, page.url), { ...form, ...answers })
  }

  const signedIn = await submit(await open(authorizeUrl), '/sign-in', { email: EMAIL, password: PASSWORD })
  const consent = await open(new URL(signedIn.location, authorizeUrl))
  const scopes = [...consent.html.matchAll(/type="checkbox" name="([^"]*)"/g)].map(([, scope]) => scope)
  const ticks = Object.fromEntries((wanted ?? scopes).map((scope) => [scope, '1']))
  const allowed = await submit(consent, '/authorize', { ...ticks, decision: 'allow' })
  if (allowed.status !== 303) throw new Error(`allowing gave ${allowed.status}: ${allowed.html}`)
  return { redirect: new URL(allowed.location), scopes }
}
