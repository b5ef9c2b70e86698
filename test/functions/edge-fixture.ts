// An edge with its own clock, keys and nodes, for tests that run inside workerd.

import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { SignJWT } from 'jose/jwt/sign';
import { exportJWK } from 'jose/key/export';
import { generateKeyPair } from 'jose/key/generate/keypair';
import { inject } from 'vitest';
import type { Bindings } from '../../functions/bindings.ts';
import { createEdge, type EdgeRuntime } from '../../functions/create-edge.ts';
import type { EdgeEvent } from '../../functions/log-event.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { type Bytes, concat } from '../../shared/bytes/concat.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import { toHex } from '../../shared/bytes/hex.ts';
import { toUtf8 } from '../../shared/bytes/utf8.ts';
import { frameKeyConfig } from '../../shared/wire/key-list.ts';
import {
  REGISTRATION_TYP,
  RESULT_TYP,
  type RegistrationAnswer,
  type RegistrationRequest,
} from '../../shared/wire/registration.ts';
import { DIRECTORY_PATH, GATEWAY_PATH } from '../../shared/wire/routes.ts';

export const ORIGIN = 'https://edge.example';
export const API_KEY = 'sk-a-test-key-that-nobody-else-has';
export const ACCOUNT = 'acct-7';

export interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly jwk: { readonly kty: string; readonly crv: string; readonly x: string };
}

/** An Ed25519 pair with its public JWK. */
export async function makeKeyPair(): Promise<KeyPair> {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  return {
    privateKey: pair.privateKey as CryptoKey,
    jwk: { kty: jwk.kty ?? '', crv: jwk.crv ?? '', x: jwk.x ?? '' },
  };
}

/** A key configuration with this id: X25519, HKDF-SHA256, AES-128-GCM, random public key. */
export function makeKeyConfig(keyId: number): Bytes {
  const publicKey = crypto.getRandomValues(new Uint8Array(32));
  return concat(
    new Uint8Array([keyId, 0x00, 0x20]),
    publicKey,
    new Uint8Array([0x00, 0x04, 0x00, 0x01, 0x00, 0x01]),
  );
}

/** Everything that a node says when it registers; tests bend one member at a time. */
export interface NodeScript {
  node: string;
  address: string;
  pool: string;
  models: string[];
  keyList: Bytes;
  bundle: Bytes;
  core: string;
  signer: KeyPair;
  attester: KeyPair;
  /** Merged over the result's claims; undefined removes one. */
  result: Record<string, unknown>;
  registration: Record<string, unknown>;
  resultTyp: string;
  registrationTyp: string;
  /** Merged over the body. */
  body: Record<string, unknown>;
}

export class EdgeFixture {
  readonly events: EdgeEvent[] = [];
  readonly attester: KeyPair;
  readonly bindings: Bindings;
  now = new Date('2026-11-23T12:00:00Z');
  fetches = 0;
  poolReads = 0;
  readonly #edge: ReturnType<typeof createEdge>;

  constructor(attester: KeyPair, keyDigest: string, runtime: Partial<EdgeRuntime>) {
    this.attester = attester;
    this.bindings = {
      POOL: env.POOL,
      CLOISTER_API_KEYS: JSON.stringify({ [keyDigest]: ACCOUNT }),
      CLOISTER_ATTESTATION_KEYS: JSON.stringify({ keys: [attester.jwk] }),
      CLOISTER_ORIGIN: ORIGIN,
    };
    const outbound = runtime.fetch ?? ((input, init) => fetch(input, init));
    this.#edge = createEdge({
      now: () => this.now,
      randomOctets: (count) => crypto.getRandomValues(new Uint8Array(count)),
      log: (event) => {
        this.events.push(event);
        if (event.event === 'routes_refreshed') this.poolReads++;
      },
      ...runtime,
      fetch: (input, init) => {
        this.fetches++;
        return outbound(input, init);
      },
    });
  }

  /** Lets the edge's clock run. */
  pass(seconds: number): void {
    this.now = new Date(this.now.getTime() + seconds * 1000);
  }

  async fetch(path: string, init?: RequestInit, bindings: Bindings = this.bindings): Promise<Response> {
    return this.#edge.fetch(new Request(ORIGIN + path, init), bindings, createExecutionContext());
  }

  /** POSTs a sealed body with the API key; `headers` are merged over. */
  post(body: BodyInit, headers: Record<string, string> = {}, init: RequestInit = {}): Promise<Response> {
    return this.fetch(GATEWAY_PATH, {
      method: 'POST',
      body,
      ...init,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        'content-type': 'message/ohttp-chunked-req',
        ...headers,
      },
    });
  }

  async makeNode(keyIds: readonly number[], over: Partial<NodeScript> = {}): Promise<NodeScript> {
    return {
      node: toBase64url(crypto.getRandomValues(new Uint8Array(16))),
      address: inject('nodeAddresses')[0] ?? '',
      pool: 'small',
      models: ['smollm2'],
      keyList: concat(...keyIds.map((id) => frameKeyConfig(makeKeyConfig(id)))),
      bundle: toUtf8(`{"bundle":"${crypto.randomUUID()}"}`),
      core: toBase64url(crypto.getRandomValues(new Uint8Array(32))),
      signer: await makeKeyPair(),
      attester: this.attester,
      result: {},
      registration: {},
      resultTyp: RESULT_TYP,
      registrationTyp: REGISTRATION_TYP,
      body: {},
      ...over,
    };
  }

  async registrationBody(script: NodeScript): Promise<RegistrationRequest> {
    const iat = Math.floor(this.now.getTime() / 1000);
    const result = {
      iss: 'attestation-service',
      sub: script.node,
      iat,
      exp: iat + 900,
      cnf: { jwk: script.signer.jwk },
      cloister_core: script.core,
      cloister_keys: toBase64url(await sha256(script.keyList)),
      submods: { cpu: { ear_status: 'affirming' } },
      ...script.result,
    };
    const registration = {
      sub: script.node,
      aud: ORIGIN,
      iat: this.now.getTime() / 1000,
      exp: iat + 300,
      address: script.address,
      pool: script.pool,
      models: script.models,
      core: script.core,
      bundle: toBase64url(await sha256(script.bundle)),
      keys: toBase64url(script.keyList),
      ...script.registration,
    };
    return {
      result: await new SignJWT(result)
        .setProtectedHeader({ alg: 'EdDSA', typ: script.resultTyp })
        .sign(script.attester.privateKey),
      registration: await new SignJWT(registration)
        .setProtectedHeader({ alg: 'EdDSA', typ: script.registrationTyp })
        .sign(script.signer.privateKey),
      bundle: toBase64url(script.bundle),
      ...script.body,
    };
  }

  async put(script: NodeScript, method: 'PUT' | 'DELETE' = 'PUT', path = script.node): Promise<Response> {
    return this.send(path, await this.registrationBody(script), method);
  }

  send(node: string, body: unknown, method: 'PUT' | 'DELETE' = 'PUT'): Promise<Response> {
    return this.fetch(`${DIRECTORY_PATH}/${node}`, { method, body: JSON.stringify(body) });
  }

  /** Registers, expects success, lets 10 ms pass so that the next registration is newer. */
  async register(script: NodeScript): Promise<RegistrationAnswer> {
    const response = await this.put(script);
    if (response.status !== 200) throw new Error(`registration answered ${response.status}`);
    this.pass(0.01);
    return response.json<RegistrationAnswer>();
  }

  /** Why the last registration was refused, as logged. */
  get refusalReason(): string | undefined {
    return this.events.findLast((event) => event.event === 'registration_refused')?.reason;
  }
}

export async function startEdge(runtime: Partial<EdgeRuntime> = {}): Promise<EdgeFixture> {
  return new EdgeFixture(await makeKeyPair(), toHex(await sha256(toUtf8(API_KEY))), runtime);
}

/** The digest that `cloister-key` carries for a list's n-th configuration. */
export async function keyDigest(keyList: Bytes, index = 0): Promise<string> {
  let offset = 0;
  for (let i = 0; i < index; i++) offset += 2 + (((keyList[offset] ?? 0) << 8) | (keyList[offset + 1] ?? 0));
  const length = ((keyList[offset] ?? 0) << 8) | (keyList[offset + 1] ?? 0);
  return toBase64url(await sha256(keyList.slice(offset + 2, offset + 2 + length)));
}

/** The public code of an error answer, after checking its shape. */
export async function codeOf(response: Response): Promise<string> {
  const body = await response.json<{
    error: { message: unknown; type: unknown; param: unknown; code: string };
  }>();
  if (typeof body.error.message !== 'string' || typeof body.error.type !== 'string')
    throw new Error('not an OpenAI-shaped error');
  return body.error.code;
}
