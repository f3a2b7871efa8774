// The checks of the mock server's pages; `run` beside this file says what they need. Each check is a sentence, and each
// starts its own server on a free port. The exit code is 1 if one fails.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import assert from 'node:assert/strict';
import http from 'node:http';
import { chromium } from 'playwright-core';

const shots = process.argv[2];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu'],
});

/** A mock server with these flags: its origin, and its end. */
async function serve(...flags) {
  const child = spawn(process.env.MOCK_SERVER, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^MCP server: (.*)\/mcp$/);
    if (url) return { origin: url[1], stop: async () => { child.kill(); await once(child, 'exit'); } };
  }
  throw new Error(`the mock server ended before it named its URL: ${flags.join(' ')}`);
}

/** A page whose every complaint is kept: console errors, refused assets, scripts that fail. */
async function open(colorScheme, options = {}) {
  const context = await browser.newContext({ colorScheme, viewport: { width: 1100, height: 800 }, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

const shot = (page, name) => page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

/** What a browser reports of an answer that is a refusal on purpose. */
const isExpected = (text) => /status of (401|404)/.test(text);

/** Whether no page is wider than its window. */
const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

/** A client's redirect page: an origin, and the address that the browser came back to. */
async function client() {
  const server = http.createServer((request, response) => {
    server.seen = request.url;
    response.setHeader('content-type', 'text/html');
    response.end('<title>back</title><h1>back at the client</h1>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.uri = `http://127.0.0.1:${server.address().port}/callback`;
  return server;
}

/** Registers a client and gives the URL that its person is sent to. */
async function authorization(origin, redirect_uri, name = 'Example <Client>') {
  const registered = await fetch(`${origin}/register`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: [redirect_uri], token_endpoint_auth_method: 'none' }),
  });
  assert.equal(registered.status, 201);
  const { client_id } = await registered.json();
  const url = new URL(`${origin}/authorize`);
  const parameters = {
    response_type: 'code', client_id, redirect_uri, state: 'the-state', resource: `${origin}/mcp`,
    scope: 'mcp:tools mcp:admin offline_access', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  for (const [key, value] of Object.entries(parameters)) url.searchParams.set(key, value);
  return url.href;
}

async function tryIt(page, origin, last) {
  await page.goto(`${origin}/try`);
  await page.click('#all');
  const end = page.locator(`[data-step=${last}][data-state=done], [data-state=failed]`).first();
  await end.waitFor({ timeout: 20_000 });
  return end.getAttribute('data-step');
}

const checks = {
  async 'the start page shows what runs, who is registered and what was refused'() {
    const server = await serve('--fault', 'no-iss', '--fault', 'pretty-json');
    try {
      for (const scheme of ['light', 'dark']) {
        const page = await open(scheme);
        await page.goto(`${server.origin}/`);
        assert.match(await page.textContent('main'), /No request has come yet|Last requests/);
        await shot(page, `start-empty-${scheme}`);
        await authorization(server.origin, 'http://127.0.0.1:1/cb');
        await fetch(`${server.origin}/mcp?token=not-to-be-shown`, { method: 'POST' });
        await fetch(`${server.origin}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'none' }) });
        await page.reload();
        const text = await page.textContent('main');
        for (const word of ['Wrong on purpose', 'no-iss', 'Example <Client>', 'POST /register', 'POST /mcp?token']) {
          assert.ok(text.includes(word), `${word} is missing`);
        }
        assert.ok(!text.includes('not-to-be-shown'), 'a value of a query is shown');
        await shot(page, `start-${scheme}`);
        await page.setViewportSize({ width: 390, height: 800 });
        assert.ok(await fits(page), 'it is wider than a phone');
        await shot(page, `start-phone-${scheme}`);
        assert.deepEqual(page.complaints, []);
        await page.context().close();
      }
    } finally {
      await server.stop();
    }
  },

  async '"try it" goes from the first refusal to the tool’s answer'() {
    const server = await serve();
    try {
      for (const scheme of ['light', 'dark']) {
        const page = await open(scheme);
        assert.equal(await tryIt(page, server.origin, 'tools'), 'tools');
        assert.equal(await page.locator('[data-state=done]').count(), 11);
        assert.equal(new URL(page.url()).search, '', 'the code stays in the address bar');
        const text = await page.textContent('main');
        assert.match(text, /"sub": "alice"/);
        assert.match(text, /alice@example\.com/);
        assert.doesNotMatch(text, /eyJ[\w-]{20,}/, 'a whole token is shown');
        await shot(page, `try-${scheme}`);
        await page.goto(`${server.origin}/`);
        assert.match(await page.textContent('main'), /tools\/call get_user_profile/);
        await shot(page, `start-after-${scheme}`);
        assert.deepEqual(page.complaints.filter((text) => !isExpected(text)), []);
        await page.context().close();
      }
    } finally {
      await server.stop();
    }
  },

  async '"try it" goes step by step, too, and starts again'() {
    const server = await serve('--reply', 'sse');
    try {
      const page = await open('light', { viewport: { width: 390, height: 800 } });
      await page.goto(`${server.origin}/try`);
      await shot(page, 'try-first-phone');
      for (let step = 0; step < 11; step += 1) {
        await page.locator('#next:not([disabled])').click();
        await page.locator(`[data-step] >> nth=${step}`).and(page.locator('[data-state=done]')).waitFor();
      }
      assert.match(await page.textContent('#said'), /Done/);
      assert.ok(await fits(page), 'it is wider than a phone');
      await shot(page, 'try-last-phone');
      await page.click('#again');
      await page.locator('[data-step=challenge][data-state=next]').waitFor();
      assert.equal(await page.locator('[data-state=done]').count(), 0);
    } finally {
      await server.stop();
    }
  },

  async '"try it" works in every layout and era, and tells a fault'() {
    for (const [flags, last, state] of [
      [['--layout', '2025-03-26'], 'tools', 'done'],
      [['--no-server-metadata', '--layout', '2025-03-26'], 'tools', 'done'],
      [['--unprotected'], 'tools', 'done'],
      [['--era', 'modern'], 'tools', 'done'],
      [['--era', 'both', '--unprotected'], 'tools', 'done'],
      [['--issuer-path', '/tenant'], 'tools', 'done'],
      [['--separate-authorization-server'], 'tools', 'done'],
      [['--consent', '--separate-authorization-server', '--issuer-path', '/tenant', '--deny'], 'callback', 'failed'],
      [['--fault', 'wrong-iss'], 'callback', 'failed'],
      [['--fault', 'wrong-issuer'], 'server', 'failed'],
      [['--deny'], 'callback', 'failed'],
    ]) {
      const server = await serve(...flags);
      try {
        const page = await open('dark');
        assert.equal(await tryIt(page, server.origin, last), last, flags.join(' '));
        assert.equal(await page.locator(`[data-step=${last}]`).getAttribute('data-state'), state, flags.join(' '));
        if (state === 'failed') await shot(page, `try-${flags.at(-1)}`);
        await page.context().close();
      } finally {
        await server.stop();
      }
    }
  },

  async 'a person allows a part of it, as one of the accounts'() {
    const server = await serve('--consent');
    const app = await client();
    try {
      for (const scheme of ['light', 'dark']) {
        // Without script: the page must need none.
        const page = await open(scheme, { javaScriptEnabled: false });
        await page.goto(await authorization(server.origin, app.uri));
        const text = await page.textContent('main');
        assert.match(text, /Example <Client>/);
        assert.match(text, /a program on this computer/);
        await shot(page, `consent-${scheme}`);
        await page.check('text=Bob Example');
        await page.uncheck('text=mcp:admin');
        const consent = page.url();
        await page.click('text=Allow >> nth=-1');
        await page.waitForURL(/callback/);
        const back = new URL(page.url());
        assert.equal(back.searchParams.get('state'), 'the-state');
        assert.ok(back.searchParams.get('code'));
        await page.goto(consent);
        assert.match(await page.textContent('main'), /decided already/);
        await shot(page, `consent-used-${scheme}`);
        assert.deepEqual(page.complaints.filter((text) => !/status of 400/.test(text)), []);
        await page.context().close();
      }
    } finally {
      app.close();
      await server.stop();
    }
  },

  async 'a person denies, and the client is told so'() {
    const server = await serve('--consent');
    const app = await client();
    try {
      const page = await open('light', { viewport: { width: 390, height: 800 } });
      await page.goto(await authorization(server.origin, app.uri, 'x'.repeat(300)));
      assert.ok(await fits(page), 'it is wider than a phone');
      await shot(page, 'consent-phone');
      await page.click('text=Deny >> nth=-1');
      await page.waitForURL(/callback/);
      assert.equal(new URL(page.url()).searchParams.get('error'), 'access_denied');
      assert.deepEqual(page.complaints, []);
    } finally {
      app.close();
      await server.stop();
    }
  },

  async 'who allows nothing at all is asked again'() {
    const server = await serve('--consent');
    const app = await client();
    try {
      const page = await open('light');
      await page.goto(await authorization(server.origin, app.uri));
      for (const box of await page.locator('[type=checkbox]').all()) await box.uncheck();
      await page.click('button[value=allow]');
      assert.match(await page.textContent('[role=alert]'), /at least one/);
      await shot(page, 'consent-nothing');
      await page.click('button[value=allow]');
      await page.waitForURL(/callback/);
    } finally {
      app.close();
      await server.stop();
    }
  },

  async '"try it" comes back from the consent page'() {
    const server = await serve('--consent');
    try {
      const page = await open('light');
      await page.goto(`${server.origin}/try`);
      await page.click('#all');
      await page.waitForURL(/consent/);
      await page.check('text=Bob Example');
      await page.click('button[value=allow]');
      await page.locator('[data-step=tools][data-state=done]').waitFor({ timeout: 20_000 });
      assert.match(await page.textContent('main'), /"sub": "bob"/);
    } finally {
      await server.stop();
    }
  },

  async 'the endpoints can be read, each of them opened'() {
    const server = await serve();
    try {
      for (const scheme of ['light', 'dark']) {
        const page = await open(scheme);
        await page.goto(`${server.origin}/docs`);
        const described = await (await fetch(`${server.origin}/openapi.json`)).json();
        const operations = Object.values(described.paths).flatMap((item) => Object.keys(item));
        assert.equal(await page.locator('details').count(), operations.length);
        await shot(page, `docs-closed-${scheme}`);
        for (const summary of await page.locator('summary').all()) await summary.click();
        assert.match(await page.textContent('main'), /code_verifier/);
        await page.setViewportSize({ width: 390, height: 800 });
        assert.ok(await fits(page), 'it is wider than a phone');
        await page.setViewportSize({ width: 1100, height: 800 });
        await shot(page, `docs-open-${scheme}`);
        assert.deepEqual(page.complaints, []);
        await page.context().close();
      }
    } finally {
      await server.stop();
    }
  },

  async 'a refused authorization request is a page that says why'() {
    const server = await serve();
    try {
      const page = await open('light');
      const response = await page.goto(`${server.origin}/authorize?client_id=%3Cb%3Enobody`);
      assert.equal(response.status(), 400);
      assert.match(await page.textContent('main'), /client is not known/);
      await shot(page, 'refused');
    } finally {
      await server.stop();
    }
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
