// The SDK's door: a drop-in `fetch` that verifies before it sends and seals whatever it sends.

import { localProvider } from '../sealing/local-provider.ts';
import type { SealingProvider } from '../sealing/provider.ts';
import { type Policy, parsePolicy } from '../verifier/policy.ts';
import type { VerifierCrypto } from '../verifier/verifier-crypto.ts';
import { LIMIT } from '../wire/limits.ts';
import { CloisterError } from './cloister-error.ts';
import { type ManifestMemory, memoryInProcess } from './manifest-memory.ts';
import type { PlainRequest } from './sealed-fetch.ts';
import { type Sleep, sendWithRetries, sleepByTimer } from './send-with-retries.ts';
import { UnsettledRequests } from './unsettled-requests.ts';
import { type VerifiedNode, VerifiedSession } from './verified-session.ts';
import type { OnManifestChange } from './verify-remembering.ts';
import { VERSION } from './version.ts';

const SESSION_OCTETS = 32;

export interface CloisterOptions {
  /** The edge: an origin, with or without a trailing `/v1`, as OpenAI SDKs write it. */
  readonly baseURL: string;
  /** The edge credential. It is visible to the edge and never goes inside the seal. */
  readonly apiKey: string;
  /** What you trust (shared/verifier/policy.ts). There is no default: an absent policy trusts nobody. */
  readonly policy: Policy | object;
  /** Reaches the edge. Default: the runtime's fetch. */
  readonly fetch?: typeof fetch;
  /** Default: the system clock. */
  readonly now?: () => Date;
  /** Waits between attempts. Default: the runtime's timer. */
  readonly sleep?: Sleep;
  /** False sends requests as long as they are; otherwise they are padded to few lengths. */
  readonly hideLength?: boolean;
  /** Default: WebCrypto, with JavaScript fallbacks where the runtime lacks an algorithm. */
  readonly provider?: SealingProvider;
  /** Checks the signatures of evidence. Default: WebCrypto; `nobleCrypto` for runtimes whose WebCrypto lacks P-384. */
  readonly verifierCrypto?: VerifierCrypto;
  /**
   * `nonce`: every verification has the node answer a nonce that was drawn for it, which reaches the node and takes it a quote. Default: the
   * evidence that the edge holds, at most a key epoch old.
   */
  readonly freshness?: 'nonce';
  /**
   * Keeps the highest version of each manifest that was seen, against rollback, where the policy pins owners or trusts on first use.
   * Default: in this client only; pass one that lasts (`memoryInStorage`, or your own) to a program that starts often.
   */
  readonly manifestMemory?: ManifestMemory;
  /** Asked when a policy that trusts on first use meets a changed manifest, with every change. Absent: the change is refused. */
  readonly onManifestChange?: OnManifestChange;
}

export interface Cloister {
  /**
   * Drop-in for `fetch`: give it to the `openai` package, the AI SDK, or call it. Method, path, headers and body go inside the
   * seal; the URL's host is ignored, because the request goes to the verified node and nowhere else. Every request carries an
   * `idempotency-key` inside the seal, yours or a fresh one, so that a node answers it once; a response with `cloister-duplicate-possible: true`
   * belongs to a request that may have run on a second node too, because the first one vanished.
   * @throws VerificationError before anything is sent; CloisterError and StreamTruncatedError as they say.
   */
  readonly fetch: typeof fetch;
  /** Verifies now and returns the node with every step; later requests use it. Throws like `fetch`. */
  verify(): Promise<VerifiedNode>;
  /** The verified node in use, if any. */
  readonly node: VerifiedNode | undefined;
  /** For OpenAI SDKs: the edge's origin with `/v1`. */
  readonly baseURL: string;
}

/** Makes a client. Does no I/O until `verify` or `fetch` is called. @throws PolicyError when the policy is not valid. */
export function createCloister(options: CloisterOptions): Cloister {
  const { origin } = new URL(options.baseURL);
  const policy = parsePolicy(options.policy);
  const fetchEdge = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const now = options.now ?? (() => new Date());
  const session = new VerifiedSession({
    origin,
    policy,
    fetchEdge,
    now,
    memory: options.manifestMemory ?? memoryInProcess(),
    onManifestChange: options.onManifestChange,
    freshness: options.freshness,
    ...(options.verifierCrypto && { verifierCrypto: options.verifierCrypto }),
  });
  const unsettled = new UnsettledRequests();
  const sealing = {
    origin,
    apiKey: options.apiKey,
    session: crypto.getRandomValues(new Uint8Array(SESSION_OCTETS)),
    fetchEdge,
    now,
    provider: options.provider ?? localProvider,
    hideLength: options.hideLength ?? true,
    sdk: `cloister/${VERSION}`,
  };

  return {
    baseURL: `${origin}/v1`,
    get node() {
      return session.current;
    },
    verify: () => session.refresh(),
    async fetch(input, init) {
      const plain = await readRequest(input, init);
      const attempt = await unsettled.begin(plain);
      const request = { ...plain, idempotencyKey: attempt.idempotencyKey };
      let last: VerifiedNode | undefined;
      try {
        const { response, settled, node } = await sendWithRetries(request, {
          session,
          sealing,
          sleep: options.sleep ?? sleepByTimer,
          startedMaybeOn: attempt.startedMaybeOn,
          onNode: (node) => {
            last = node;
          },
        });
        if (!settled) attempt.remember(node);
        return response;
      } catch (error) {
        attempt.remember(last);
        throw error;
      }
    },
  };
}

async function readRequest(
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Omit<PlainRequest, 'idempotencyKey'>> {
  const request = new Request(input, init);
  const { pathname, search } = new URL(request.url);
  const body = new Uint8Array(await request.arrayBuffer());
  if (body.length > LIMIT.sealedRequestBytes / 2)
    throw new CloisterError(
      'request_unsupported',
      'The request is larger than this service takes. Nothing was sent.',
    );
  return {
    method: request.method,
    path: pathname + search,
    headers: request.headers,
    body,
    signal: request.signal,
  };
}
