// Proofs of possession as a resource server judges them (RFC 9449 §4.3, §7, §9): each once, for its request and its token, by
// the key that the token is bound to, with the nonce of the day.
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';

/** Why a proof is none; `code` is RFC 9449's. */
export class ProofError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Proofs {
  #used = new Set();
  nonce = randomUUID();

  /** The nonce before is good no longer. */
  renewNonce() {
    this.nonce = randomUUID();
  }

  /** Judges the proof of a request for this URL and token; `thumbprint` is that of the token's key. */
  async judge(request, url, token, thumbprint) {
    const wrong = (what) => new ProofError('invalid_dpop_proof', what);
    const proof = request.headers.dpop;
    if (!proof) throw wrong('no proof');
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt', algorithms: ['ES256'] })
      .catch((error) => { throw wrong(error.message); });
    if (payload.htm !== request.method) throw wrong(`htm is ${payload.htm}`);
    if (payload.htu !== url) throw wrong(`htu is ${payload.htu}`);
    if (payload.ath !== createHash('sha256').update(token).digest('base64url')) throw wrong('ath is another token');
    if (await calculateJwkThumbprint(protectedHeader.jwk) !== thumbprint) throw wrong('the key is another');
    if (Math.abs(payload.iat - Date.now() / 1000) > 60) throw wrong(`iat is ${payload.iat}`);
    if (!payload.jti || this.#used.has(payload.jti)) throw wrong('seen before');
    this.#used.add(payload.jti);
    if (payload.nonce !== this.nonce) throw new ProofError('use_dpop_nonce', 'another nonce');
  }
}
