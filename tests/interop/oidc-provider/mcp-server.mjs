// A protected MCP server with one tool, by Streamable HTTP of 2025-11-25 and plain Node: strict about tokens, and about
// nothing else. It judges JWTs by the issuer's keys and asks about opaque tokens. Proofs of possession are dpop.mjs's.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { SCOPE } from './authorization-server.mjs';
import { ProofError, Proofs } from './dpop.mjs';

const REVISION = '2025-11-25';

class Refused extends Error {}

/** Listens on a port of the system's choice; `dpop` says that tokens must be bound to a key. */
export async function startMcpServer({ dpop = false } = {}) {
  const server = createServer((request, response) => {
    answer(state, request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const state = {
    origin, resource: `${origin}/mcp`, sessions: new Set(), taken: new Set(), withdrawn: new Set(),
    proofs: dpop ? new Proofs() : undefined, issuer: undefined,
  };
  return {
    url: state.resource,
    /** Takes the tokens of this server from now on. */
    trust(authorizationServer) {
      Object.assign(state, authorizationServer);
      state.keys = createRemoteJWKSet(new URL('/jwks', state.issuer));
    },
    /** No token that was taken so far is good any more, and no nonce. */
    withdraw() {
      for (const token of state.taken) state.withdrawn.add(token);
      state.proofs?.renewNonce();
    },
    close: () => server.closeAllConnections() ?? server.close(),
  };
}

async function answer(state, request, response) {
  const { pathname } = new URL(request.url, state.origin);
  if (pathname === '/.well-known/oauth-protected-resource/mcp') return json(response, 200, metadata(state));
  if (pathname !== '/mcp') return response.writeHead(404).end();
  try {
    request.token = await token(state, request);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof ProofError)) throw error;
    return refuse(state, response, error);
  }
  if (state.proofs) response.setHeader('dpop-nonce', state.proofs.nonce);
  if (request.method === 'POST') return message(state, request, response);
  if (!state.sessions.has(request.headers['mcp-session-id'])) return response.writeHead(404).end();
  // The stream of the session stays open and silent.
  if (request.method === 'GET') return response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  state.sessions.delete(request.headers['mcp-session-id']);
  return response.writeHead(200).end();
}

/** RFC 9728 §2. */
function metadata({ resource, issuer, proofs }) {
  return {
    resource, authorization_servers: [issuer], scopes_supported: [SCOPE], bearer_methods_supported: ['header'],
    ...(proofs && { dpop_bound_access_tokens_required: true, dpop_signing_alg_values_supported: ['ES256'] }),
  };
}

/** RFC 6750 §3, RFC 9449 §7.1. */
function refuse(state, response, error) {
  const scheme = state.proofs ? 'DPoP' : 'Bearer';
  const code = error instanceof ProofError ? error.code : error.message && 'invalid_token';
  const parameters = [
    ...(code ? [`error="${code}"`, `error_description="${error.message}"`] : []), `scope="${SCOPE}"`,
    `resource_metadata="${state.origin}/.well-known/oauth-protected-resource/mcp"`,
  ];
  const nonce = state.proofs && { 'dpop-nonce': state.proofs.nonce };
  response.writeHead(401, { 'www-authenticate': `${scheme} ${parameters.join(', ')}`, ...nonce }).end();
}

/** The token of a request, once it is judged good. */
async function token(state, request) {
  const [scheme, value] = (request.headers.authorization ?? '').split(' ');
  if (!value) throw new Refused('');
  if (scheme !== (state.proofs ? 'DPoP' : 'Bearer')) throw new Refused(`the scheme ${scheme} is wrong`);
  if (state.withdrawn.has(value)) throw new Refused('withdrawn');
  const claims = value.split('.').length === 3 ? await byKey(state, value) : await byQuestion(state, value);
  if (claims.aud !== state.resource) throw new Refused(`for ${claims.aud}`);
  if (claims.exp <= Date.now() / 1000) throw new Refused('ended');
  if (!claims.scope?.split(' ').includes(SCOPE)) throw new Refused(`its scope is ${claims.scope}`);
  await state.proofs?.judge(request, state.origin + request.url, value, claims.cnf?.jkt);
  state.taken.add(value);
  return claims;
}

async function byKey({ keys, issuer }, value) {
  try {
    return (await jwtVerify(value, keys, { issuer, typ: 'at+jwt' })).payload;
  } catch (error) {
    throw new Refused(error.message);
  }
}

async function byQuestion({ issuer, introspecting }, value) {
  const { client_id: id, client_secret: secret } = introspecting;
  const response = await fetch(`${issuer}/token/introspection`, {
    method: 'POST', body: new URLSearchParams({ token: value }), headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
  });
  const claims = await response.json();
  if (!claims.active) throw new Refused('not active');
  return claims;
}

async function message(state, request, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { id, method, params } = JSON.parse(text);
  if (method === 'initialize') {
    const session = randomUUID();
    state.sessions.add(session);
    response.setHeader('mcp-session-id', session);
  } else if (!state.sessions.has(request.headers['mcp-session-id'])) {
    return response.writeHead(404).end();
  }
  if (id === undefined) return response.writeHead(202).end();
  const results = {
    initialize: { protocolVersion: REVISION, capabilities: { tools: {} }, serverInfo: { name: 'interop', version: '1' } },
    'tools/list': { tools: [{ name: 'whoami', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: `${params?.name}: ${request.token.sub ?? request.token.client_id}` }] },
  };
  const result = results[method];
  return json(response, 200, { jsonrpc: '2.0', id, ...(result ? { result } : { error: { code: -32601, message: method } }) });
}

function json(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
