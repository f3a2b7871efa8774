// The person at the browser: keeps cookies, follows redirects, signs in, says yes, enters a device's code. Walks the pages
// of oidc-provider's devInteractions by HTTP, and ends where no form is left.

const MOST_PAGES = 20;

export class Person {
  #cookies = [];

  /** Opens a URL and does what each page asks; the last page's text. */
  async visit(url, name = 'alice') {
    let request = { url: new URL(url) };
    for (let pages = 0; pages < MOST_PAGES; pages += 1) {
      const { url: at, method, body } = request;
      const response = await fetch(at, { method, body, redirect: 'manual', headers: { cookie: this.#cookiesFor(at) } });
      this.#keep(response, at);
      const location = response.headers.get('location');
      const text = await response.text();
      const form = text.match(/<form[^>]*>[^]*?<\/form>/)?.[0];
      if (location) request = { url: new URL(location, at) };
      else if (!response.ok) throw new Error(`${at.pathname} answers ${response.status}: ${words(text)}`);
      else if (form) request = filledIn(form, at, name);
      else return words(text);
    }
    throw new Error(`${url} leads on and on`);
  }

  #cookiesFor(url) {
    const fits = (cookie) => cookie.host === url.host && url.pathname.startsWith(cookie.path);
    return this.#cookies.filter(fits).map((cookie) => `${cookie.name}=${cookie.value}`).join('; ');
  }

  #keep(response, url) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ');
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const attribute = (wanted) => attributes.find((text) => text.startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const path = attribute('path') ?? '/';
      const others = (cookie) => cookie.host !== url.host || cookie.name !== name || cookie.path !== path;
      this.#cookies = this.#cookies.filter(others);
      if (new Date(attribute('expires') ?? Infinity) > Date.now() || !attribute('expires')) {
        this.#cookies.push({ host: url.host, name, value, path });
      }
    }
  }
}

/** The form as a person sends it: any name, any password, and yes. */
function filledIn(form, at, name) {
  const attribute = (text, wanted) => text.match(new RegExp(`${wanted}="([^"]*)"`))?.[1].replaceAll('&amp;', '&');
  const body = new URLSearchParams();
  for (const [input] of form.matchAll(/<input[^>]*>/g)) body.set(attribute(input, ' name'), attribute(input, ' value') ?? name);
  return { url: new URL(attribute(form, 'action') ?? '', at), method: 'POST', body };
}

/** A page's text without its tags. */
function words(page) {
  return page.replace(/<(style|script)[^]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();
}
