// The real bridge as a host's child process: requests in, results out, and every URL that it asks a person to open.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const PATIENCE = 20_000;

/** Runs the bridge to its end; what it said. */
export async function run(settings) {
  const bridge = new Bridge(settings);
  const status = await bridge.close();
  assert.equal(status, 0, bridge.said);
  return bridge.said;
}

export class Bridge {
  #child;
  #ended;
  #waiting = new Map();
  #next = 1;
  /** All of stderr. */
  said = '';

  /** `mcp-bridge ARGUMENTS`; a URL of `origin` on stderr goes to `open`, once. */
  constructor({ binary, args, env, origin, open }) {
    this.#child = spawn(binary, args, { env: { PATH: process.env.PATH, ...env }, stdio: 'pipe' });
    this.#ended = new Promise((resolve) => {
      this.#child.on('close', (status, signal) => resolve(status ?? signal)).on('error', (error) => resolve(error.message));
    });
    this.#child.stdin.on('error', () => {}); // a bridge that has ended reads nothing, and `#ended` says why
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#read(line));
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.said += `${line}\n`;
      const url = line.split(/[\s`<>]/).find((word) => word.startsWith(`${origin}/`) && word.includes('?'));
      if (url) open?.(url);
    });
  }

  /** Says hello as a host does, with the newest revision that has a handshake. */
  async greet() {
    await this.request('initialize', {
      protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'interop', version: '1' },
    });
    this.#write({ method: 'notifications/initialized' });
  }

  /** What the tool says. */
  async call(name) {
    return (await this.request('tools/call', { name, arguments: {} })).content[0].text;
  }

  /** A request's result; an error of the bridge's or the server's is thrown. */
  async request(method, params) {
    const id = this.#next;
    this.#next += 1;
    const answered = new Promise((resolve) => { this.#waiting.set(id, resolve); });
    this.#write({ id, method, params });
    const silent = { error: { message: `no answer within ${PATIENCE} ms` } };
    const timer = setTimeout(() => this.#waiting.get(id)?.(silent), PATIENCE);
    const gone = this.#ended.then((status) => ({ error: { message: `the bridge has ended: ${status}` } }));
    const { result, error } = await Promise.race([answered, gone]);
    clearTimeout(timer);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Ends its input and waits; its exit status. */
  async close() {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
    const status = await this.#ended;
    clearTimeout(timer);
    return status;
  }

  #write(message) {
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  #read(line) {
    const message = JSON.parse(line);
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}
