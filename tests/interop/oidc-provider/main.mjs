// Runs the cases: `node main.mjs BRIDGE FOLDER [NAME…]` with the bridge's binary, an empty folder for state, and the names of
// the only cases to run. `run` beside this file installs what it needs.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAuthorizationServer } from './authorization-server.mjs';
import { Bridge, run } from './bridge.mjs';
import { cases } from './cases.mjs';
import { startMcpServer } from './mcp-server.mjs';
import { Person } from './person.mjs';

// The provider notes that this is no production.
console.info = console.warn = () => {};

const [binary, folder, ...only] = process.argv.slice(2);
for (const name of only) assert.ok(cases.some((known) => known.name === name), `${name}: there is no such case`);

/** One case: what went wrong, or nothing. */
async function play(one, index) {
  const mcp = await startMcpServer(one.mcp);
  const document = one.provider.document?.(binary);
  const authorization = await startAuthorizationServer(mcp.url, { ...one.provider, document });
  mcp.trust(authorization);
  const place = join(folder, String(index));
  mkdirSync(place);
  for (const [name, text] of Object.entries(one.files ?? {})) writeFileSync(join(place, name), text, { mode: 0o600 });
  const [flags, proof] = [one.flags, one.proof].map((list = []) => list.map((word) => word.replace('FOLDER', place)));
  const expected = { registrations: 0, documents: 0, ...one.expected };
  const stage = { mcp, seen: authorization.seen, expected, signIns: 0, visits: [] };
  const person = new Person();
  const settings = {
    binary, origin: authorization.issuer,
    // A worker whose person went astray is not to stay for long.
    args: [
      '--upstream', mcp.url, '--no-browser', '--patience', '0', '--sign-in-timeout', '20',
      ...flags, ...proof,
    ],
    logout: ['logout', mcp.url, ...proof],
    env: { HOME: place, MCP_BRIDGE_STATE_DIR: join(place, 'state'), ...one.env },
    open(url) {
      stage.signIns += 1;
      stage.visits.push(person.visit(url).catch((error) => error.message));
    },
  };
  const steps = [cold, ended, restarted, withdrawn, signedOut];
  let step;
  try {
    for (const next of steps) {
      step = next.name;
      await next(stage, settings);
    }
  } catch (error) {
    const said = stage.bridge?.said.replaceAll(/^/gm, '    ');
    return [`${step}: ${error.message}`, ...authorization.seen.errors.map((text) => `  the provider: ${text}`), said].join('\n');
  } finally {
    await stage.bridge?.close();
    mcp.close();
    authorization.close();
  }
}

/** An empty state folder. */
async function cold(stage, settings) {
  await start(stage, settings);
  for (const page of await Promise.all(stage.visits)) assert.match(page, /signed in|Sign-in Success/);
  // On a slow machine the first token has ended by now.
  if (Date.now() < stage.seen.firstEnd - 1000) holds(stage, 0);
}

/** The first token has ended while the bridge runs. */
async function ended(stage) {
  await new Promise((resolve) => { setTimeout(resolve, stage.seen.firstEnd - Date.now() + 100); });
  await calls(stage);
  holds(stage, 1);
}

/** Another bridge finds a token that is good. */
async function restarted(stage, settings) {
  assert.equal(await stage.bridge.close(), 0, 'the exit status');
  await start(stage, settings);
  holds(stage, 1);
}

/** Another bridge finds a token that the server takes no more, though it has not ended. */
async function withdrawn(stage, settings) {
  assert.equal(await stage.bridge.close(), 0, 'the exit status');
  stage.mcp.withdraw();
  await start(stage, settings);
  holds(stage, 2);
}

/** What was granted is revoked. */
async function signedOut(stage, settings) {
  assert.equal(await stage.bridge.close(), 0, 'the exit status');
  const said = await run({ ...settings, args: settings.logout });
  assert.equal(stage.seen.revocations, 1, `what was revoked; the bridge said: ${said}`);
}

async function start(stage, settings) {
  stage.bridge = new Bridge(settings);
  await stage.bridge.greet();
  await calls(stage);
}

async function calls(stage) {
  assert.match(await stage.bridge.call('whoami'), /^whoami: ./);
}

/** What was granted so far, with `repeats` of the grant that follows the first. */
function holds({ seen, expected, signIns }, repeats) {
  const { first, again, proof } = expected;
  const grants = first === again ? { [first]: 1 + repeats } : { [first]: 1, ...(repeats && { [again]: repeats }) };
  assert.deepEqual(seen.errors, [], 'errors of the provider');
  assert.deepEqual(seen.grants, grants, 'grants');
  assert.deepEqual([...seen.proofs], [proof], 'how the client proved who it is');
  for (const [name, count] of Object.entries({ registrations: seen.registrations, documents: seen.documents, signIns })) {
    assert.equal(count, expected[name], name);
  }
}

/** Says what came of a case; whether that is as it should be. */
function report({ name, fails }, trouble) {
  const isListed = Boolean(trouble && fails?.like.test(trouble));
  if (isListed) console.log(`listed  ${name}: fails as expected: ${fails.reason}`);
  else if (trouble) console.log(`FAILED  ${name}\n${trouble}`);
  else if (fails) console.log(`FAILED  ${name}: passes, so strike off its \`fails\` in cases.mjs`);
  else console.log(`ok      ${name}`);
  return fails ? isListed : !trouble;
}

const wanted = cases.filter(({ name }) => only.length === 0 || only.includes(name));
const atStart = (error) => `starting: ${error.message}`;
const troubles = await Promise.all(wanted.map((one, index) => play(one, index).catch(atStart)));
const failed = wanted.filter((one, index) => !report(one, troubles[index])).length;
const listed = wanted.filter(({ fails }) => fails).length;
if (listed > 0) console.log(`${listed} expected to fail`);
console.log(`oidc-provider: ${wanted.length} cases, ${failed} not as they should be`);
process.exit(failed === 0 ? 0 : 1);
