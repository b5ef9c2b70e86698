import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../../shared/bytes/base64url.ts';
import { fromUtf8, toUtf8 } from '../../../shared/bytes/utf8.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import { coreDigest, encodeCore, type NodeCore, parseCore } from '../../../shared/evidence/node-core.ts';
import {
  encodeStatement,
  type NodeStatement,
  parseStatement,
  reportDataOf,
} from '../../../shared/evidence/node-statement.ts';

const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes));
const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
const times = fc
  .tuple(seconds, fc.integer({ min: 1, max: 100_000 }))
  .map(([from, life]) => ({ notBefore: new Date(from * 1000), notAfter: new Date((from + life) * 1000) }));

const cores: fc.Arbitrary<NodeCore> = fc
  .record({
    version: fc.constant(1 as const),
    node: octets(16),
    role: fc.constantFrom('worker' as const, 'attestation-service' as const, 'all' as const),
    ohttpKeys: octets(41),
    receiptKey: octets(32),
    manifestDigest: octets(32),
    deploymentDigest: octets(32),
    probeDigest: octets(32),
    surface: fc.record({
      routes: fc.constantFrom([], ['POST /v1/chat/completions'], ['GET /v1/models', 'POST /v1/embeddings']),
      features: fc.constantFrom([], ['streaming', 'json-schema']),
      egress: fc.constant('none' as const),
    }),
    times,
  })
  .map(({ times: { notBefore, notAfter }, ...core }) => ({ ...core, notBefore, notAfter }));

const statements: fc.Arbitrary<NodeStatement> = fc
  .record({
    version: fc.constant(1 as const),
    core: cores.map(encodeCore),
    freshness: fc.record({ kind: fc.constant('epoch' as const), value: octets(32) }),
    devices: fc.array(fc.record({ kind: fc.constant('nvidia-gpu'), sha256: octets(32) }), { maxLength: 3 }),
    times,
  })
  .map(({ times: { notBefore, notAfter }, ...statement }) => ({ ...statement, notBefore, notAfter }));

const sample: NodeCore = {
  version: 1,
  node: new Uint8Array(16).fill(1),
  role: 'worker',
  ohttpKeys: new Uint8Array(8).fill(2),
  receiptKey: new Uint8Array(32).fill(3),
  manifestDigest: new Uint8Array(32).fill(4),
  deploymentDigest: new Uint8Array(32).fill(5),
  probeDigest: new Uint8Array(32).fill(6),
  surface: { routes: ['POST /v1/chat/completions'], features: [], egress: 'none' },
  notBefore: new Date('2026-11-23T12:00:00Z'),
  notAfter: new Date('2026-11-23T13:00:00Z'),
};

function changed(encoded: Uint8Array, change: (document: Record<string, unknown>) => void): Uint8Array {
  const document = JSON.parse(fromUtf8(encoded)) as Record<string, unknown>;
  change(document);
  return toUtf8(JSON.stringify(document));
}

function codeOf(parse: () => unknown): string {
  try {
    parse();
    return 'accepted';
  } catch (error) {
    return error instanceof EvidenceError ? error.code : String(error);
  }
}

describe('core and statement', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(cores, (core) => {
        expect(parseCore(encodeCore(core))).toEqual(core);
      }),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(statements, (statement) => {
        expect(parseStatement(encodeStatement(statement))).toEqual(statement);
      }),
      { numRuns: 50 },
    );
  });

  it('have these digests: SHA-2 over label, zero octet, exact octets', async () => {
    const core = encodeCore(sample);
    const expectedCore = await crypto.subtle.digest(
      'SHA-256',
      new Uint8Array([...toUtf8('cloister core v1'), 0, ...core]),
    );
    expect(await coreDigest(core)).toEqual(new Uint8Array(expectedCore));
    const expectedData = await crypto.subtle.digest(
      'SHA-512',
      new Uint8Array([...toUtf8('cloister node statement v1'), 0, ...core]),
    );
    expect(await reportDataOf(core)).toEqual(new Uint8Array(expectedData));
    expect(toBase64url(await coreDigest(core))).toBe('k3yv7pWZYjPd7mdGmUxyqPFxVfPYccXZrdmRHv60F6o');
  });

  it('refuse unknown, missing and duplicate members, and every member of another kind', () => {
    const core = encodeCore(sample);
    const names = Object.keys(JSON.parse(fromUtf8(core)) as object);
    expect(names).toHaveLength(11);
    for (const name of names) {
      expect(codeOf(() => parseCore(changed(core, (document) => delete document[name])))).toBe(
        'evidence_core_malformed',
      );
      for (const wrong of [null, 0, 2, '', 'x', [], {}, true])
        expect(
          codeOf(() => parseCore(changed(core, (document) => Object.assign(document, { [name]: wrong })))),
        ).toBe('evidence_core_malformed');
    }
    expect(codeOf(() => parseCore(changed(core, (document) => Object.assign(document, { more: 1 }))))).toBe(
      'evidence_core_malformed',
    );
    const twice = toUtf8(fromUtf8(core).replace('{', '{"version":1,'));
    expect(codeOf(() => parseCore(twice))).toBe('evidence_core_malformed');
    expect(codeOf(() => parseCore(encodeCore({ ...sample, notAfter: sample.notBefore })))).toBe(
      'evidence_core_malformed',
    );
    expect(codeOf(() => parseCore(new Uint8Array(200_000)))).toBe('evidence_too_large');
  });

  it('report every problem at once, by path', () => {
    const broken = changed(encodeCore(sample), (document) => {
      document.role = 'boss';
      document.node = 'AA';
      document.surface = { routes: ['nowhere'], features: [], egress: 'all' };
    });
    expect(() => parseCore(broken)).toThrow(
      /node must be .*; role must be .*; surface\.routes\[0\] must be .*; surface\.egress must be /,
    );
  });
});

describe('bundle', () => {
  const evidence = {
    kind: 'sev-snp' as const,
    report: new Uint8Array(1184),
    leaf: { kind: 'vcek' as const, certificate: new Uint8Array(10) },
    ask: new Uint8Array(11),
    ark: new Uint8Array(12),
    crl: new Uint8Array(13),
  };
  const bundle = {
    version: 1 as const,
    manifest: toUtf8('{}'),
    node: { statement: toUtf8('{}'), evidence: [evidence] },
  };
  it('comes back as it went, with either kind of leaf and with a result', () => {
    expect(parseBundle(encodeBundle(bundle))).toEqual(bundle);
    const vlek = { ...evidence, leaf: { kind: 'vlek' as const, certificate: new Uint8Array(10) } };
    const other = { ...bundle, node: { ...bundle.node, evidence: [vlek] }, result: 'aa.bb.cc' };
    expect(parseBundle(encodeBundle(other))).toEqual(other);
  });
  it('refuses two leaves, none, a report of another size, no evidence, and a result that is no JWS', () => {
    const encoded = encodeBundle(bundle);
    const change = (apply: (document: Record<string, unknown>, first: Record<string, unknown>) => void) =>
      codeOf(() =>
        parseBundle(
          changed(encoded, (document) => {
            const node = document.node as { evidence: Record<string, unknown>[] };
            apply(document, node.evidence[0] as Record<string, unknown>);
          }),
        ),
      );
    expect(change(() => {})).toBe('accepted');
    expect(change((_, first) => Object.assign(first, { vlek: 'AA' }))).toBe('evidence_bundle_malformed');
    expect(change((_, first) => delete first.vcek)).toBe('evidence_collateral_absent');
    expect(change((_, first) => Object.assign(first, { report: 'AA' }))).toBe('evidence_bundle_malformed');
    expect(change((_, first) => Object.assign(first, { kind: 'tdx' }))).toBe('evidence_bundle_malformed');
    expect(change((document) => Object.assign(document, { result: 'x' }))).toBe('evidence_bundle_malformed');
    expect(change((document) => Object.assign(document, { version: 2 }))).toBe('evidence_bundle_malformed');
    expect(
      codeOf(() => parseBundle(encodeBundle({ ...bundle, node: { ...bundle.node, evidence: [] } }))),
    ).toBe('evidence_bundle_malformed');
  });
  it('is bounded before it is read', () => {
    expect(codeOf(() => parseBundle(new Uint8Array(1024 * 1024 + 1)))).toBe('evidence_too_large');
  });
  it('answers any octets with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        expect(codeOf(() => parseBundle(junk))).toBe('evidence_bundle_malformed');
      }),
    );
  });
});
