// The cases: what oidc-provider and the MCP server are told, what the bridge is told, and what must be seen. `flags` are the
// bridge's, `proof` those that `logout` takes too. A case with `fails` is expected to fail like that, for that reason; once it
// passes, that fails the run until it is struck off.

const REDIRECT = 'http://127.0.0.1/callback';
const BOTH = ['authorization_code', 'refresh_token'];
// Visible ASCII and blanks are all that oidc-provider takes (RFC 6749 appendix A); each of these is another byte once encoded.
const ODD_ID = 'a client: 100%+/~';
const ODD_SECRET = 'p:q %41+r&s=t/u?"\\\'~<>';
const DOCUMENT = 'https://client.example.com/mcp-bridge.json';

/** A person signs in once, and a refresh follows the end of each token. */
const person = { signIns: 1, first: 'authorization_code', again: 'refresh_token' };
/** Nobody signs in; the grant comes again. */
const machine = { signIns: 0, first: 'client_credentials', again: 'client_credentials' };
const registration = { registration: { enabled: true } };
/** A refresh token without `offline_access`, as many servers give it. */
const issueRefreshToken = async (ctx, client) => client.grantTypeAllowed('refresh_token');

export const cases = [
  {
    name: 'registration, as oidc-provider comes: a refresh token for offline_access alone',
    fails: { like: /^ended: grants/, reason: 'offline_access is asked for without prompt=consent (OpenID Connect Core §11)' },
    provider: { features: registration },
    expected: { ...person, registrations: 1, proof: 'none' },
  },
  {
    name: 'registration',
    provider: { issueRefreshToken, features: registration },
    expected: { ...person, registrations: 1, proof: 'none' },
  },
  {
    name: 'registration, tokens as JWTs',
    provider: { issueRefreshToken, features: registration, format: 'jwt' },
    expected: { ...person, registrations: 1, proof: 'none' },
  },
  {
    name: 'registration of a client with a secret',
    provider: { issueRefreshToken, features: registration, clientAuthMethods: ['client_secret_basic'] },
    expected: { ...person, registrations: 1, proof: 'client_secret_basic' },
  },
  {
    name: 'metadata document',
    provider: {
      issueRefreshToken,
      features: { clientIdMetadataDocument: { enabled: true, ack: 'draft-02' } },
      document: {
        client_id: DOCUMENT, client_name: 'mcp-bridge', application_type: 'native', redirect_uris: [REDIRECT],
        grant_types: BOTH, response_types: ['code'], token_endpoint_auth_method: 'none',
      },
    },
    flags: ['--client-metadata-url', DOCUMENT],
    expected: { ...person, documents: 1, proof: 'none' },
  },
  {
    name: 'secret that must be encoded, by HTTP Basic',
    provider: {
      issueRefreshToken,
      client: { client_id: ODD_ID, client_secret: ODD_SECRET, redirect_uris: [REDIRECT], grant_types: BOTH },
    },
    flags: ['--client-id', ODD_ID],
    proof: ['--client-secret-env', 'SECRET'],
    env: { SECRET: ODD_SECRET },
    expected: { ...person, proof: 'client_secret_basic' },
  },
  {
    name: 'secret that must be encoded, in the form',
    provider: {
      issueRefreshToken,
      clientAuthMethods: ['client_secret_post', 'none'],
      client: {
        client_id: ODD_ID, client_secret: ODD_SECRET, redirect_uris: [REDIRECT], grant_types: BOTH,
        token_endpoint_auth_method: 'client_secret_post',
      },
    },
    flags: ['--client-id', ODD_ID],
    proof: ['--client-secret-env', 'SECRET'],
    env: { SECRET: ODD_SECRET },
    expected: { ...person, proof: 'client_secret_post' },
  },
];
