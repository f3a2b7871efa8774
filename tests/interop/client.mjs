// The official TypeScript SDK's client: signs in by its own OAuth support and calls the three everyday tools. The person at
// the browser is played by following the authorization URL's redirect. `run` beside this file starts the server.
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';

const url = new URL(process.argv[2]);
const redirectUrl = 'http://127.0.0.1:8912/callback';
let asked = 0;
let code;

/** Keeps everything as long as the program runs; the person says yes at once. */
const kept = {};
const provider = {
  get redirectUrl() { return redirectUrl; },
  get clientMetadata() {
    return {
      client_name: 'Interoperation, TypeScript', redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    };
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  state: () => 'the-state',
  async redirectToAuthorization(authorizationUrl) {
    asked += 1;
    const response = await fetch(authorizationUrl, { redirect: 'manual' });
    assert.equal(response.status, 302, await response.text());
    const back = new URL(response.headers.get('location'));
    assert.equal(back.origin + back.pathname, redirectUrl);
    assert.equal(back.searchParams.get('state'), 'the-state');
    code = back.searchParams.get('code');
  },
};

const client = new Client({ name: 'interop', version: '1' });
let transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
try {
  await client.connect(transport);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await transport.finishAuth(code);
  transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
  await client.connect(transport);
}

const { tools } = await client.listTools();
const names = tools.map((tool) => tool.name);
for (const name of ['get_weather', 'list_files', 'get_user_profile']) assert.ok(names.includes(name), name);
const text = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
assert.match(await text('get_weather', { city: 'Oslo' }), /Oslo/);
// Where access tokens live a second only, a refresh comes in between.
await new Promise((resolve) => setTimeout(resolve, 1200));
assert.match(await text('list_files', { path: '/notes' }), /ideas\.md/);
assert.match(await text('get_user_profile', {}), /alice@example\.com/);
await transport.terminateSession();
await client.close();
console.log(`signed in ${asked} time(s), ${names.length} tools`);
