// The node statement: a core, its freshness and its devices, as the exact octets that the CPU report is bound to.

import { toBase64url } from '../bytes/base64url.ts';
import type { Bytes } from '../bytes/concat.ts';
import { sha256, sha512 } from '../bytes/digest.ts';
import { formatInstant } from '../bytes/instant.ts';
import { instant, list, object, octets, oneOf, rule, type Shape, text } from '../bytes/shape.ts';
import { toUtf8 } from '../bytes/utf8.ts';
import { LIMIT } from '../wire/limits.ts';
import { labelled, readJson } from './read-json.ts';

/**
 * What makes a statement young. `epoch`: random octets of the TEE, which show no more than that two statements differ. `nonces`: the root of an
 * RFC 6962 tree over clients' nonces, so the statement is younger than each of them. `checkpoint`: SHA-256 of a cosigned checkpoint of a
 * witnessed log, signatures included, so the statement is younger than what honest witnesses dated.
 */
export interface Freshness {
  readonly kind: 'epoch' | 'nonces' | 'checkpoint';
  /** 32 octets. */
  readonly value: Bytes;
}

/** Evidence of a device beside the CPU, named by its hash. */
export interface DeviceDigest {
  /** Such as `nvidia-gpu`. */
  readonly kind: string;
  /** SHA-256 of the device's evidence, 32 octets. */
  readonly sha256: Bytes;
}

export interface NodeStatement {
  readonly version: 1;
  /** The exact octets of the core. */
  readonly core: Bytes;
  readonly freshness: Freshness;
  readonly devices: readonly DeviceDigest[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const CORE_BYTES = LIMIT.keyListBytes * 2;
const MAXIMUM_BYTES = CORE_BYTES * 2;
const STATEMENT_LABEL = 'cloister node statement v1';

interface StatementDocument {
  readonly version: 1;
  readonly core: Bytes;
  readonly freshness: Freshness;
  readonly devices: readonly DeviceDigest[];
  readonly not_before: Date;
  readonly not_after: Date;
}

const shape: Shape<StatementDocument> = rule(
  object<StatementDocument>({
    version: oneOf(1),
    core: octets(2, CORE_BYTES),
    freshness: object<Freshness>({ kind: oneOf('epoch', 'nonces', 'checkpoint'), value: octets(32) }),
    devices: list(
      object<DeviceDigest>({
        kind: text(/^[a-z][a-z0-9-]{0,31}$/, 'a lower-case word with hyphens'),
        sha256: octets(32),
      }),
      0,
      64,
    ),
    not_before: instant,
    not_after: instant,
  }),
  (statement) => (statement.not_before < statement.not_after ? undefined : 'must begin before it ends'),
);

/** The octets of a statement. Keep and send exactly these: the report is bound to them. */
export function encodeStatement(statement: NodeStatement): Bytes {
  return toUtf8(
    JSON.stringify({
      version: statement.version,
      core: toBase64url(statement.core),
      freshness: { kind: statement.freshness.kind, value: toBase64url(statement.freshness.value) },
      devices: statement.devices.map(({ kind, sha256 }) => ({ kind, sha256: toBase64url(sha256) })),
      not_before: formatInstant(statement.notBefore),
      not_after: formatInstant(statement.notAfter),
    }),
  );
}

/**
 * Reads a statement; its core is left as octets for `parseCore`.
 * @throws EvidenceError `evidence_statement_malformed` with every problem, or `evidence_too_large`.
 */
export function parseStatement(statementOctets: Uint8Array): NodeStatement {
  const statement = readJson(statementOctets, shape, MAXIMUM_BYTES, 'evidence_statement_malformed');
  return {
    version: statement.version,
    core: statement.core,
    freshness: statement.freshness,
    devices: statement.devices,
    notBefore: statement.not_before,
    notAfter: statement.not_after,
  };
}

/** The CPU report's report_data: SHA-512( "cloister node statement v1" ‖ 0x00 ‖ statement ), 64 octets. */
export function reportDataOf(statementOctets: Uint8Array): Promise<Bytes> {
  return sha512(labelled(STATEMENT_LABEL, statementOctets));
}

/** extraData of a vTPM's quote on Azure, where a guest cannot choose report_data: SHA-256 of the same, 32 octets. */
export function quoteDataOf(statementOctets: Uint8Array): Promise<Bytes> {
  return sha256(labelled(STATEMENT_LABEL, statementOctets));
}
