// The core: what one node is during one key epoch, as exact octets (design section 5).

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256 } from '../bytes/digest.ts';
import { formatInstant } from '../bytes/instant.ts';
import { instant, list, object, octets, oneOf, rule, type Shape, text } from '../bytes/shape.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { LIMIT } from '../wire/limits.ts';
import { labelled, readJson } from './read-json.ts';

/** What a node does. `all` is a single machine that is worker and attestation service at once. */
export type NodeRole = 'worker' | 'attestation-service' | 'all';

/** What a node can be asked to do, as it really runs. */
export interface Surface {
  /** Inner routes: method, one space, path, such as `POST /v1/chat/completions`. */
  readonly routes: readonly string[];
  /** Engine features that are switched on, in lower-case words with hyphens. */
  readonly features: readonly string[];
  /** What the engine can reach. There is only one answer. */
  readonly egress: 'none';
}

/** One per key epoch. */
export interface NodeCore {
  readonly version: 1;
  /** 16 random octets. */
  readonly node: Bytes;
  readonly role: NodeRole;
  /** The `application/ohttp-keys` list of this epoch (RFC 9458 section 3.2). */
  readonly ohttpKeys: Bytes;
  /** Ed25519 public key that signs receipts, 32 octets. */
  readonly receiptKey: Bytes;
  /** SHA-256 of the manifest's octets. */
  readonly manifestDigest: Bytes;
  /** See `deploymentDigest` in shared/manifest. */
  readonly deploymentDigest: Bytes;
  /** SHA-256 of the result of the sandbox probe. */
  readonly probeDigest: Bytes;
  readonly surface: Surface;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const MAXIMUM_BYTES = LIMIT.keyListBytes * 2;
const CORE_LABEL = 'cloister core v1';

interface CoreDocument {
  readonly version: 1;
  readonly node: Bytes;
  readonly role: NodeRole;
  readonly ohttp_keys: Bytes;
  readonly receipt_key: Bytes;
  readonly manifest_digest: Bytes;
  readonly deployment_digest: Bytes;
  readonly probe_digest: Bytes;
  readonly surface: Surface;
  readonly not_before: Date;
  readonly not_after: Date;
}

const shape: Shape<CoreDocument> = rule(
  object<CoreDocument>({
    version: oneOf(1),
    node: octets(16),
    role: oneOf('worker', 'attestation-service', 'all'),
    ohttp_keys: octets(1, LIMIT.keyListBytes),
    receipt_key: octets(32),
    manifest_digest: octets(32),
    deployment_digest: octets(32),
    probe_digest: octets(32),
    surface: object<Surface>({
      routes: list(text(/^[A-Z]{3,7} \/[!-~]{0,200}$/, 'a method, a space and a path'), 0, 64),
      features: list(text(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a lower-case word with hyphens'), 0, 64),
      egress: oneOf('none'),
    }),
    not_before: instant,
    not_after: instant,
  }),
  (core) => (core.not_before < core.not_after ? undefined : 'must begin before it ends'),
);

/** The octets of a core. Keep and send exactly these: two encodings of one core have different digests. */
export function encodeCore(core: NodeCore): Bytes {
  return toUtf8(
    JSON.stringify({
      version: core.version,
      node: toBase64url(core.node),
      role: core.role,
      ohttp_keys: toBase64url(core.ohttpKeys),
      receipt_key: toBase64url(core.receiptKey),
      manifest_digest: toBase64url(core.manifestDigest),
      deployment_digest: toBase64url(core.deploymentDigest),
      probe_digest: toBase64url(core.probeDigest),
      surface: {
        routes: core.surface.routes,
        features: core.surface.features,
        egress: core.surface.egress,
      },
      not_before: formatInstant(core.notBefore),
      not_after: formatInstant(core.notAfter),
    }),
  );
}

/**
 * Reads a core. Says nothing about whether it is true.
 * @throws EvidenceError `evidence_core_malformed` with every problem, or `evidence_too_large`.
 */
export function parseCore(coreOctets: Uint8Array): NodeCore {
  const core = readJson(coreOctets, shape, MAXIMUM_BYTES, 'evidence_core_malformed');
  return {
    version: core.version,
    node: core.node,
    role: core.role,
    ohttpKeys: core.ohttp_keys,
    receiptKey: core.receipt_key,
    manifestDigest: core.manifest_digest,
    deploymentDigest: core.deployment_digest,
    probeDigest: core.probe_digest,
    surface: core.surface,
    notBefore: core.not_before,
    notAfter: core.not_after,
  };
}

/** SHA-256( "cloister core v1" ‖ 0x00 ‖ core ), 32 octets. */
export function coreDigest(coreOctets: Uint8Array): Promise<Bytes> {
  return sha256(labelled(CORE_LABEL, coreOctets));
}
