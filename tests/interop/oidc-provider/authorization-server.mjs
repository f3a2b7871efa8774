// The authorization server of one case: oidc-provider, certified and not ours, as its documentation has it but for what the
// case says. It counts what it grants. The MCP server that trusts it is in mcp-server.mjs; `run` starts it all.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

export const SCOPE = 'mcp:tools';
/** Seconds that the first access token lives, and every later one: so a case waits once, and its counts are exact. */
const [FIRST_LIFETIME, LATER_LIFETIME] = [4, 600];

/** Listens on a port of the system's choice. `choices` are the case's: see cases.mjs. */
export async function startAuthorizationServer(resource, choices) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  // Who asks whether an opaque token is good (RFC 7662).
  const introspecting = {
    client_id: 'mcp-server', client_secret: randomBytes(16).toString('hex'),
    token_endpoint_auth_method: choices.clientAuthMethods?.[0] ?? 'client_secret_basic',
  };
  // `firstEnd` is when the first access token ends, in milliseconds since 1970.
  const seen = { firstEnd: 0, grants: {}, proofs: new Set(), registrations: 0, documents: 0, revocations: 0, errors: [] };
  const provider = new Provider(issuer, configuration({ resource, choices, introspecting, seen }));
  count(provider, seen);
  server.on('request', provider.callback());
  return { issuer, seen, introspecting, close: () => server.closeAllConnections() ?? server.close() };
}

function configuration({ resource, choices, introspecting, seen }) {
  const granted = () => Object.values(seen.grants).reduce((sum, times) => sum + times, 0);
  const lifetime = () => {
    if (granted() > 0) return LATER_LIFETIME;
    seen.firstEnd = Date.now() + FIRST_LIFETIME * 1000;
    return FIRST_LIFETIME;
  };
  return {
    clients: [
      { ...introspecting, grant_types: [], response_types: [], redirect_uris: [] },
      ...(choices.client ? [{ application_type: 'native', ...choices.client }] : []),
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    jwks: { keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    scopes: ['openid', 'offline_access', SCOPE],
    pkce: { required: () => true },
    ...(choices.clientAuthMethods && { clientAuthMethods: choices.clientAuthMethods }),
    ...(choices.issueRefreshToken && { issueRefreshToken: choices.issueRefreshToken }),
    // MCP has the issuer, and nothing else, as the audience (RFC 7523bis).
    async assertJwtClientAuthClaimsAndHeader(ctx, claims) {
      if (claims.aud !== ctx.oidc.issuer) throw new errors.InvalidClientAuth(`aud is ${JSON.stringify(claims.aud)}`);
    },
    ttl: { AccessToken: lifetime, ClientCredentials: lifetime },
    fetch: (url) => document(choices, url, seen),
    features: {
      introspection: { enabled: true, allowedPolicy: async (ctx, client) => client.clientId === introspecting.client_id },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        async getResourceServerInfo(ctx, indicator) {
          if (indicator !== resource) throw new errors.InvalidTarget(`the resource is ${resource}, not ${indicator}`);
          return { scope: SCOPE, accessTokenFormat: choices.format ?? 'opaque', jwt: { sign: { alg: 'ES256' } } };
        },
      },
      ...choices.features,
    },
  };
}

/**
 * What the provider asks the network for: the client's metadata document. Its guard lets it fetch from no loopback address,
 * so the document comes by `fetch`, its extension point for that; how it judges the document is its own.
 */
async function document(choices, url, seen) {
  if (url !== choices.document?.client_id) throw new Error(`nobody is to fetch ${url}`);
  seen.documents += 1;
  return new Response(JSON.stringify(choices.document), { headers: { 'content-type': 'application/json' } });
}

function count(provider, seen) {
  provider.on('grant.success', (ctx) => {
    const grant = ctx.oidc.params.grant_type.split(':').pop();
    seen.grants[grant] = (seen.grants[grant] ?? 0) + 1;
    seen.proofs.add(proof(ctx));
  });
  provider.on('registration_create.success', () => { seen.registrations += 1; });
  // With its refresh token goes all that a person granted; a machine's token stands alone.
  for (const name of ['grant.revoked', 'client_credentials.destroyed']) {
    provider.on(name, () => { seen.revocations += 1; });
  }
  for (const name of ['authorization.error', 'grant.error', 'registration_create.error', 'revocation.error',
    'device_authorization.error', 'introspection.error', 'server_error']) {
    provider.on(name, (ctx, error) => {
      // A person who was asked to sign in, a device that nobody has said yes to, a nonce that is not known yet: no failures.
      if (['authorization_pending', 'use_dpop_nonce'].includes(error.error)) return;
      const why = error.error_detail ?? error.cause?.message ?? '';
      seen.errors.push([name, error.error ?? error, error.error_description, why].filter(Boolean).join(': '));
    });
  }
}

/** How the client proved who it is. */
function proof(ctx) {
  if (ctx.headers.authorization) return 'client_secret_basic';
  if (ctx.oidc.body.client_secret) return 'client_secret_post';
  return ctx.oidc.body.client_assertion ? 'private_key_jwt' : 'none';
}
