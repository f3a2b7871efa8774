// The cases: what oidc-provider and the MCP server are told, what the bridge is told, and what must be seen. `flags` are the
// bridge's, `proof` those that `logout` takes too; `FOLDER` in them is the case's, with its `files`. A case with `fails` is
// expected to fail like that, for that reason; once it passes, that fails the run until it is struck off.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

const REDIRECT = 'http://127.0.0.1/callback';
const BOTH = ['authorization_code', 'refresh_token'];
// Visible ASCII and blanks are all that oidc-provider takes (RFC 6749 appendix A); each of these is another byte once encoded.
const ODD_ID = 'a client: 100%+/~';
const ODD_SECRET = 'p:q %41+r&s=t/u?"\\\'~<>';
const DOCUMENT = 'https://client.example.com/mcp-bridge.json';

/** A person signs in once, and a refresh follows the end of each token. */
const person = { signIns: 1, first: 'authorization_code', again: 'refresh_token' };
/** The same by a device's code. */
const device = { ...person, first: 'device_code' };
/** Nobody signs in; the grant comes again. */
const machine = { signIns: 0, first: 'client_credentials', again: 'client_credentials' };
const NO_REDIRECT = { redirect_uris: [], response_types: [] };
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
/** Every token request must prove possession of a key, with a nonce. */
const dPoP = { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true };
const registration = { registration: { enabled: true } };
/** A refresh token without `offline_access`, as many servers give it. */
const issueRefreshToken = async (ctx, client) => client.grantTypeAllowed('refresh_token');

/** The document that the bridge prints for its settings. */
function printed(binary) {
  const args = ['client-metadata', '--client-metadata-url', DOCUMENT];
  return JSON.parse(execFileSync(binary, args, { encoding: 'utf8', env: {} }));
}

export const cases = [
  {
    name: 'registration, as oidc-provider comes: a refresh token for offline_access alone',
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
      document: printed,
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
  {
    name: 'device code, registered',
    provider: { issueRefreshToken, features: { ...registration, deviceFlow: { enabled: true } } },
    flags: ['--grant', 'device_code'],
    expected: { ...device, registrations: 1, proof: 'none' },
  },
  {
    name: 'device code, client given beforehand',
    provider: {
      issueRefreshToken,
      features: { deviceFlow: { enabled: true } },
      client: {
        client_id: 'device', grant_types: [DEVICE_CODE, 'refresh_token'], token_endpoint_auth_method: 'none', ...NO_REDIRECT,
      },
    },
    flags: ['--grant', 'device_code', '--client-id', 'device'],
    expected: { ...device, proof: 'none' },
  },
  {
    name: 'client credentials with a secret',
    provider: {
      features: { clientCredentials: { enabled: true } },
      client: { client_id: ODD_ID, client_secret: ODD_SECRET, grant_types: ['client_credentials'], ...NO_REDIRECT },
    },
    flags: ['--grant', 'client_credentials', '--client-id', ODD_ID],
    proof: ['--client-secret-env', 'SECRET'],
    env: { SECRET: ODD_SECRET },
    expected: { ...machine, proof: 'client_secret_basic' },
  },
  {
    name: 'client credentials with a private key',
    provider: {
      features: { clientCredentials: { enabled: true } },
      client: {
        client_id: 'machine', grant_types: ['client_credentials'], ...NO_REDIRECT, token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: 'one' }] },
      },
    },
    files: { 'key.pem': key.privateKey.export({ format: 'pem', type: 'pkcs8' }) },
    flags: ['--grant', 'client_credentials', '--client-id', 'machine'],
    proof: ['--private-key-file', 'FOLDER/key.pem', '--private-key-id', 'one'],
    expected: { ...machine, proof: 'private_key_jwt' },
  },
  {
    name: 'person with a private key',
    provider: {
      issueRefreshToken,
      client: {
        client_id: 'keyed', grant_types: BOTH, redirect_uris: [REDIRECT], token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [key.publicKey.export({ format: 'jwk' })] },
      },
    },
    files: { 'key.pem': key.privateKey.export({ format: 'pem', type: 'sec1' }) },
    flags: ['--client-id', 'keyed'],
    proof: ['--private-key-file', 'FOLDER/key.pem'],
    expected: { ...person, proof: 'private_key_jwt' },
  },
  {
    name: 'DPoP with nonces, opaque tokens',
    provider: { issueRefreshToken, features: { ...registration, dPoP } },
    mcp: { dpop: true },
    expected: { ...person, registrations: 1, proof: 'none' },
  },
  {
    name: 'DPoP with nonces, tokens as JWTs',
    provider: { issueRefreshToken, features: { ...registration, dPoP }, format: 'jwt' },
    mcp: { dpop: true },
    expected: { ...person, registrations: 1, proof: 'none' },
  },
  {
    name: 'DPoP with nonces, device code',
    provider: { issueRefreshToken, features: { ...registration, deviceFlow: { enabled: true }, dPoP } },
    mcp: { dpop: true },
    flags: ['--grant', 'device_code'],
    expected: { ...device, registrations: 1, proof: 'none' },
  },
  {
    name: 'DPoP with nonces, client credentials with a private key',
    provider: {
      features: { clientCredentials: { enabled: true }, dPoP },
      client: {
        client_id: 'machine', grant_types: ['client_credentials'], ...NO_REDIRECT, token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [key.publicKey.export({ format: 'jwk' })] },
      },
    },
    mcp: { dpop: true },
    files: { 'key.pem': key.privateKey.export({ format: 'pem', type: 'pkcs8' }) },
    flags: ['--grant', 'client_credentials', '--client-id', 'machine'],
    proof: ['--private-key-file', 'FOLDER/key.pem'],
    expected: { ...machine, proof: 'private_key_jwt' },
  },
];
