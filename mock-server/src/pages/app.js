// The client of "Try it": one function for each step, each shows what it sent and what came back.
// What must outlive the redirect is in sessionStorage. Nothing is loaded from elsewhere; no framework.
'use strict';

const list = document.getElementById('steps');
const mcp = list.dataset.mcp;
const MODERN = '2026-07-28';
const modern = list.dataset.era === 'modern';
const callback = location.origin + '/try/callback';
const KEY = 'try-it';

/** What was learnt so far; `next` is the name of the step to come. */
let flow = load();

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) || {};
  } catch {
    return {};
  }
}

function save() {
  sessionStorage.setItem(KEY, JSON.stringify(flow));
}

/** A refusal that the flow ends with. */
class Refused extends Error {}

const names = [...list.children].map((item) => item.dataset.step);
const item = (name) => list.querySelector(`[data-step="${name}"]`);

// ---- showing ----

const SECRET = /^(access_token|refresh_token|id_token|client_secret|registration_access_token|code)$/;

function short(text) {
  return text.length > 14 ? text.slice(0, 6) + '… (' + text.length + ' characters)' : text;
}

/** The value with every secret shortened. */
function harmless(value, name) {
  if (typeof value === 'string') return SECRET.test(name) ? short(value) : value;
  if (Array.isArray(value)) return value.map((each) => harmless(each, name));
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, harmless(each, key)]));
  }
  return value;
}

/** Adds a block to a step; kept, so that it is there again after the redirect. */
function show(step, title, text) {
  flow.shown = flow.shown || [];
  flow.shown.push([step, title, text]);
  draw(step, title, text);
}

function draw(step, title, text) {
  const place = item(step).querySelector('.shown');
  const heading = document.createElement('h3');
  const block = document.createElement('pre');
  heading.textContent = title;
  block.textContent = text;
  place.append(heading, block);
}

function mark(name, state) {
  item(name).dataset.state = state;
}

function say(text) {
  document.getElementById('said').textContent = text;
}

// ---- asking ----

function requestText(method, url, headers, body) {
  const lines = [`${method} ${url}`];
  for (const [name, value] of Object.entries(headers)) {
    lines.push(`${name}: ${/^authorization$/i.test(name) ? 'Bearer ' + short(value.slice(7)) : value}`);
  }
  return body ? lines.join('\n') + '\n\n' + body : lines.join('\n');
}

/** The JSON-RPC message of an answer, be it JSON or an event stream. */
function messageOf(text, type) {
  if (type.startsWith('text/event-stream')) {
    const events = text.split(/\r?\n\r?\n/).map((event) => event.split(/\r?\n/)
      .filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n'));
    const messages = events.filter(Boolean).map((data) => JSON.parse(data));
    return messages.find((message) => 'result' in message || 'error' in message);
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const SHOWN_HEADERS = ['content-type', 'www-authenticate', 'mcp-session-id'];

/** Sends, shows both sides, gives status, headers and what the body says. */
async function ask(step, method, url, { headers = {}, body, shownBody } = {}) {
  show(step, 'Request', requestText(method, url, headers, shownBody ?? body));
  let response;
  try {
    response = await fetch(url, { method, headers, body, cache: 'no-store', redirect: 'error' });
  } catch (error) {
    throw new Refused(`${url} cannot be reached from this page: ${error.message}`);
  }
  const text = await response.text();
  const type = response.headers.get('content-type') || '';
  const json = messageOf(text, type);
  const lines = [`${response.status} ${response.statusText}`];
  for (const name of SHOWN_HEADERS) {
    const value = response.headers.get(name);
    if (value) lines.push(`${name}: ${name === 'mcp-session-id' ? short(value) : value}`);
  }
  const shown = json === undefined ? text.slice(0, 2000) : JSON.stringify(harmless(json), null, 2);
  show(step, 'Answer', lines.join('\n') + (shown ? '\n\n' + shown : ''));
  return { status: response.status, headers: response.headers, json };
}

function demand(holds, otherwise) {
  if (!holds) throw new Refused(otherwise);
}

// ---- the values of PKCE ----

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

// ---- MCP ----

/** The message as this server's era wants it: the modern one has metadata in every request. */
function spoken(message) {
  if (modern) {
    message.params._meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientInfo': { name: 'try-it', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
  }
  return message;
}

function mcpHeaders(message) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
  if (flow.token) headers.Authorization = 'Bearer ' + flow.token;
  if (flow.session) headers['Mcp-Session-Id'] = flow.session;
  if (flow.version) headers['MCP-Protocol-Version'] = flow.version;
  if (modern) {
    headers['MCP-Protocol-Version'] = MODERN;
    headers['Mcp-Method'] = message.method;
    if (message.params.name) headers['Mcp-Name'] = message.params.name;
  }
  return headers;
}

async function call(step, message) {
  const answer = await ask(step, 'POST', mcp, {
    headers: mcpHeaders(message), body: JSON.stringify(spoken(message)), shownBody: JSON.stringify(spoken(message), null, 2),
  });
  demand(answer.status >= 200 && answer.status < 300, `The MCP server answers ${answer.status}.`);
  demand(!answer.json || !answer.json.error, answer.json && answer.json.error && answer.json.error.message);
  return answer;
}

// ---- the steps ----

const steps = {
  async challenge() {
    const body = JSON.stringify(spoken(hello()), null, 2);
    const answer = await ask('challenge', 'POST', mcp, { headers: mcpHeaders(hello()), body });
    if (answer.status >= 200 && answer.status < 300) {
      flow.open = true;
      show('challenge', 'So', 'No token is asked for here: the steps of the sign-in fall away.');
      return 'initialize';
    }
    demand(answer.status === 401, `401 was expected, not ${answer.status}.`);
    const challenge = answer.headers.get('www-authenticate') || '';
    const at = challenge.match(/resource_metadata="([^"]+)"/);
    const scope = challenge.match(/\bscope="([^"]+)"/);
    flow.metadata = at ? at[1] : undefined;
    flow.scope = scope ? scope[1] : list.dataset.scope;
  },

  async resource() {
    const url = flow.metadata || location.origin + '/.well-known/oauth-protected-resource' + new URL(mcp).pathname;
    const answer = await ask('resource', 'GET', url);
    if (answer.status === 404) {
      flow.issuer = location.origin;
      show('resource', 'So', `There is none: ${flow.issuer} is taken for the authorization server (MCP 2025-03-26).`);
      return;
    }
    demand(answer.status === 200 && answer.json, `The metadata cannot be read: ${answer.status}.`);
    demand(answer.json.resource === mcp, `The metadata is for ${answer.json.resource}, not for ${mcp}.`);
    demand(answer.json.authorization_servers?.length, 'The metadata names no authorization server.');
    flow.issuer = answer.json.authorization_servers[0];
    flow.resource = answer.json.resource;
  },

  async server() {
    const issuer = new URL(flow.issuer);
    const path = issuer.pathname.replace(/\/$/, '');
    const places = ['/.well-known/oauth-authorization-server' + path, '/.well-known/openid-configuration' + path];
    if (path) places.push(path + '/.well-known/openid-configuration');
    for (const place of places) {
      const answer = await ask('server', 'GET', issuer.origin + place);
      if (answer.status !== 200 || !answer.json) continue;
      demand(answer.json.issuer === flow.issuer, `It calls itself ${answer.json.issuer}, not ${flow.issuer}.`);
      demand(answer.json.code_challenge_methods_supported?.includes('S256'), 'It does not say that it supports PKCE.');
      flow.server = answer.json;
      return;
    }
    show('server', 'So', 'There is none: the paths of MCP 2025-03-26 are taken.');
    flow.server = {
      issuer: flow.issuer, authorization_endpoint: issuer.origin + '/authorize',
      token_endpoint: issuer.origin + '/token', registration_endpoint: issuer.origin + '/register',
    };
  },

  async register() {
    const known = document.getElementById('client');
    if (known) {
      demand(known.value, 'Type a client id above: this server registers nobody.');
      flow.client = known.value;
      show('register', 'So', 'The client id given above is taken.');
      return;
    }
    demand(flow.server.registration_endpoint, 'The metadata names no registration endpoint.');
    const body = JSON.stringify({
      client_name: 'Try it', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'], token_endpoint_auth_method: 'none',
    }, null, 2);
    const headers = { 'Content-Type': 'application/json' };
    const answer = await ask('register', 'POST', flow.server.registration_endpoint, { headers, body });
    demand(answer.status === 201, `The registration is refused: ${(answer.json && answer.json.error) || answer.status}.`);
    flow.client = answer.json.client_id;
  },

  async pkce() {
    demand(crypto.subtle, 'Browsers hash only on pages of https or of this computer: open this page at such an address.');
    flow.verifier = random();
    flow.state = random();
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(flow.verifier));
    flow.challenge = base64url(new Uint8Array(hash));
    show('pkce', 'Values', `code_verifier  ${flow.verifier}\ncode_challenge ${flow.challenge}\nstate          ${flow.state}`);
  },

  async authorize() {
    const url = new URL(flow.server.authorization_endpoint);
    const parameters = {
      response_type: 'code', client_id: flow.client, redirect_uri: callback, scope: flow.scope, state: flow.state,
      code_challenge: flow.challenge, code_challenge_method: 'S256',
    };
    if (flow.resource) parameters.resource = flow.resource;
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    const lines = Object.entries(parameters).map(([name, value]) => `  ${name}=${value}`);
    show('authorize', 'The browser goes to', url.origin + url.pathname + '\n' + lines.join('\n'));
    flow.next = 'callback';
    flow.away = true;
    save();
    location.assign(url);
    return 'away';
  },

  async callback() {
    demand(flow.answer, 'The authorization server has not sent the browser back yet.');
    const answer = new URLSearchParams(flow.answer);
    const told = Object.fromEntries(answer);
    show('callback', 'The address that the browser came back to', callback + '\n'
      + Object.entries(harmless(told)).map(([name, value]) => `  ${name}=${value}`).join('\n'));
    demand(told.state === flow.state, 'The state is not the one of this sign-in.');
    demand(!flow.server.authorization_response_iss_parameter_supported || 'iss' in told, 'The iss is missing.');
    demand(!('iss' in told) || told.iss === flow.issuer, `The iss is ${told.iss}, not ${flow.issuer}.`);
    demand(!told.error, `The sign-in was refused: ${told.error}${told.error_description ? ', ' + told.error_description : ''}.`);
    demand(told.code, 'There is no code in it.');
    flow.code = told.code;
    delete flow.answer;
  },

  async exchange() {
    const form = {
      grant_type: 'authorization_code', code: flow.code, redirect_uri: callback, client_id: flow.client,
      code_verifier: flow.verifier,
    };
    if (flow.resource) form.resource = flow.resource;
    const shownBody = Object.entries(harmless(form)).map(([name, value]) => `${name}=${value}`).join('\n&');
    const answer = await ask('exchange', 'POST', flow.server.token_endpoint, {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(form).toString(), shownBody,
    });
    demand(answer.status === 200 && answer.json && answer.json.access_token,
      `The exchange is refused: ${(answer.json && (answer.json.error_description || answer.json.error)) || answer.status}.`);
    flow.token = answer.json.access_token;
    delete flow.code;
  },

  async claims() {
    const parts = flow.token.split('.');
    if (parts.length !== 3) {
      show('claims', 'The token', short(flow.token) + '\n\nIt is opaque: only its issuer can read it.');
      return;
    }
    const read = (part) => {
      const bytes = Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
      return JSON.parse(new TextDecoder().decode(bytes));
    };
    const claims = read(parts[1]);
    const time = (seconds) => (seconds ? new Date(seconds * 1000).toISOString() : 'not said');
    show('claims', 'Header', JSON.stringify(read(parts[0]), null, 2));
    show('claims', 'Claims', JSON.stringify({ ...claims, jti: claims.jti && short(claims.jti) }, null, 2));
    show('claims', 'In words', `issued ${time(claims.iat)}, ends ${time(claims.exp)}`);
  },

  async initialize() {
    const answer = await call('initialize', hello());
    demand(answer.json && answer.json.result, 'There is no result in the answer.');
    if (modern) return;
    flow.session = answer.headers.get('mcp-session-id') || undefined;
    flow.version = answer.json.result.protocolVersion;
    await call('initialize', { jsonrpc: '2.0', method: 'notifications/initialized' });
  },

  async tools() {
    const listed = await call('tools', { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} });
    const tools = listed.json.result.tools.map((tool) => tool.name);
    const name = tools.includes('get_user_profile') ? 'get_user_profile' : tools[0];
    demand(name, 'There is no tool.');
    await call('tools', { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name, arguments: {} } });
  },
};

function hello() {
  if (modern) return { jsonrpc: '2.0', id: 1, method: 'server/discover', params: {} };
  return {
    jsonrpc: '2.0', id: 1, method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'try-it', version: '1' } },
  };
}

// ---- the walk ----

const next = document.getElementById('next');
const all = document.getElementById('all');
const again = document.getElementById('again');

/** Takes one step; whether another can follow at once. */
async function take() {
  const name = flow.next;
  next.disabled = all.disabled = true;
  try {
    const jump = await steps[name]();
    if (jump === 'away') return false;
    mark(name, 'done');
    flow.done = [...(flow.done || []), name];
    flow.next = jump || names[names.indexOf(name) + 1];
    if (jump) for (const skipped of names.slice(names.indexOf(name) + 1, names.indexOf(jump))) item(skipped).hidden = true;
  } catch (error) {
    mark(name, 'failed');
    show(name, 'It ends here', error instanceof Refused ? error.message : String(error));
    flow.failed = name;
    flow.next = undefined;
  }
  save();
  ready();
  return Boolean(flow.next);
}

function ready() {
  next.disabled = all.disabled = !flow.next;
  again.disabled = false;
  if (flow.next) mark(flow.next, 'next');
  if (flow.failed) say('The flow ended at a refusal.');
  else if (!flow.next) say('Done: from the first refusal to a tool’s answer.');
  else say('');
}

async function walk() {
  flow.all = true;
  save();
  while (await take()) { /* until it ends, or the browser goes away */ }
}

function restart() {
  sessionStorage.removeItem(KEY);
  location.assign('/try');
}

function begin() {
  if (location.origin !== list.dataset.origin) {
    document.getElementById('elsewhere').hidden = false;
    return;
  }
  if (location.pathname === '/try/callback' && location.search) {
    flow.answer = location.search.slice(1);
    // A code has no business in the address bar, nor in the history.
    history.replaceState(null, '', '/try/callback');
  } else if (flow.away && location.pathname === '/try') {
    // Somebody turned back on the way: the authorization step can be taken again.
    flow.next = 'authorize';
  }
  const back = flow.away && flow.answer;
  flow.away = false;
  flow.next = flow.next || (flow.done || flow.failed ? undefined : names[0]);
  for (const [step, title, text] of flow.shown || []) draw(step, title, text);
  for (const name of flow.done || []) mark(name, 'done');
  if (back) {
    mark('authorize', 'done');
    flow.done = [...(flow.done || []), 'authorize'];
  }
  if (flow.failed) mark(flow.failed, 'failed');
  save();
  ready();
  next.addEventListener('click', async () => {
    flow.all = false;
    await take();
    const shown = item(flow.next || names.at(-1));
    shown.scrollIntoView({ block: 'nearest' });
  });
  all.addEventListener('click', walk);
  again.addEventListener('click', restart);
  if (back && flow.all) walk();
}

begin();
