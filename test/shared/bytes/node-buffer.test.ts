// Node's Buffer is a Uint8Array whose `slice` copies nothing: what a parser keeps must not change with the caller's octets.

import { describe, expect, it } from 'vitest';
import { concat } from '../../../shared/bytes/concat.ts';
import { encodeBundle, parseBundle } from '../../../shared/evidence/bundle.ts';
import { parseCrl } from '../../../shared/evidence/crl.ts';
import { parseCore } from '../../../shared/evidence/node-core.ts';
import { parseStatement } from '../../../shared/evidence/node-statement.ts';
import { parseNvidiaReport } from '../../../shared/evidence/nvidia-report.ts';
import { parseSnpReport } from '../../../shared/evidence/snp-report.ts';
import { parseTdxQuote } from '../../../shared/evidence/tdx-quote.ts';
import { parseCertificate } from '../../../shared/evidence/x509.ts';
import {
  encodeKeyConfigList,
  makeKeyConfig,
  parseKeyConfigList,
} from '../../../shared/sealing/key-config.ts';
import { splitKeyList } from '../../../shared/wire/key-list.ts';
import { simulatedNode, snpEvidenceOf } from '../../backend/tee/simulated-node.ts';
import { makeGpu } from '../verifier/nvidia-fixture.ts';
import { tdxEvidence } from '../verifier/tdx-platform.ts';

const list = encodeKeyConfigList([
  makeKeyConfig({
    keyId: 1,
    kemId: 0x20,
    publicKey: new Uint8Array(32).fill(9),
    algorithms: [{ kdfId: 1, aeadId: 1 }],
  }),
  makeKeyConfig({
    keyId: 2,
    kemId: 0x20,
    publicKey: new Uint8Array(32).fill(8),
    algorithms: [{ kdfId: 1, aeadId: 1 }],
  }),
]);
const { parts } = await simulatedNode();
const snp = snpEvidenceOf(parts);
const tdx = tdxEvidence();
const gpu = makeGpu();

const cases: readonly (readonly [string, Uint8Array, (octets: Uint8Array) => unknown])[] = [
  ['key configurations', list, parseKeyConfigList],
  ['a list to route by', list, splitKeyList],
  ['a bundle', encodeBundle(parts), parseBundle],
  ['a statement', parts.node.statement, parseStatement],
  ['a core', parseStatement(parts.node.statement).core, parseCore],
  ['an SNP report', snp.report, parseSnpReport],
  ['AMD’s certificate', snp.ask, (octets) => parseCertificate(octets)],
  ['AMD’s list', snp.crl, (octets) => parseCrl(octets)],
  ['a TDX quote', tdx.quote, parseTdxQuote],
  ['Intel’s certificate', tdx.tcbInfo.signer, (octets) => parseCertificate(octets, 'intel')],
  ['Intel’s list', tdx.pckCrl, (octets) => parseCrl(octets, 'intel')],
  ['a GPU’s report', gpu.report, parseNvidiaReport],
];

describe('read from a Buffer that lies inside another and is overwritten afterwards', () => {
  it.each(cases)('%s', (_, octets, parse) => {
    const sound = parse(concat(octets));
    const pool = Buffer.concat([Buffer.alloc(13, 0xa5), octets, Buffer.alloc(7, 0xa5)]);
    const read = parse(pool.subarray(13, 13 + octets.length));
    pool.fill(0);
    expect(read).toEqual(sound);
  });
});
