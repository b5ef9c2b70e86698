import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as write from '../../../backend/tee/simulated/der-writer.ts';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { fromHex } from '../../../shared/bytes/hex.ts';
import { DerReader, TAG } from '../../../shared/evidence/der.ts';
import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';

const reader = (octets: Bytes) => new DerReader(octets, 'evidence_certificate_malformed');
const refused = (hex: string, read: (der: DerReader) => unknown) => {
  try {
    const der = reader(fromHex(hex));
    read(der);
    der.end();
    return 'accepted';
  } catch (error) {
    return error instanceof EvidenceError ? error.detail : error;
  }
};

describe('what the writer writes, the reader reads', () => {
  it('integers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fffffff }), (value) => {
        expect(reader(write.integer(value)).takeSmallInteger()).toBe(value);
      }),
    );
  });
  it('object identifiers', () => {
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), fc.array(fc.nat(0x7fffffff), { maxLength: 5 }), (a, b, rest) => {
        const dotted = [a, b, ...rest].join('.');
        expect(reader(write.oid(dotted)).takeOid()).toBe(dotted);
      }),
    );
  });
  it('lengths', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
      const { content, whole } = reader(write.octetString(new Uint8Array(length))).take(TAG.octetString);
      expect(content.length).toBe(length);
      expect(whole.length).toBeGreaterThan(length);
    }
  });
  it('times, in both forms', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1950-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          date.setUTCMilliseconds(0);
          expect(reader(write.time(date)).takeTime()).toEqual(date);
        },
      ),
    );
  });
});

describe('one encoding per value', () => {
  const cases: readonly (readonly [string, string, (der: DerReader) => unknown, string])[] = [
    [
      'indefinite length',
      '3080020100' + '0000',
      (der) => der.take(TAG.sequence),
      'DER length form not allowed',
    ],
    [
      'length in four octets',
      '0484000000' + '01aa',
      (der) => der.take(TAG.octetString),
      'DER length form not allowed',
    ],
    ['long form of a short length', '048101aa', (der) => der.take(TAG.octetString), 'DER length not minimal'],
    [
      'leading zero in a length',
      `048200ff${'aa'.repeat(255)}`,
      (der) => der.take(TAG.octetString),
      'DER length not minimal',
    ],
    ['length missing', '04', (der) => der.take(TAG.octetString), 'DER length missing'],
    ['length cut short', '0482ff', (der) => der.take(TAG.octetString), 'DER length missing'],
    [
      'content cut short',
      '0402aa',
      (der) => der.take(TAG.octetString),
      'DER value longer than its container',
    ],
    ['another tag', '0401aa', (der) => der.take(TAG.integer), 'unexpected DER tag'],
    ['something left over', '0401aa00', (der) => der.take(TAG.octetString), 'trailing octets in DER'],
    ['empty integer', '0200', (der) => der.takeSmallInteger(), 'DER integer out of range'],
    ['negative integer', '020180', (der) => der.takeSmallInteger(), 'negative DER integer'],
    ['integer with a leading zero', '02020001', (der) => der.takeSmallInteger(), 'DER integer not minimal'],
    ['integer over 31 bits', '02050080000000', (der) => der.takeSmallInteger(), 'DER integer out of range'],
    [
      'integer over 20 octets',
      `0216${'01'.repeat(22)}`,
      (der) => der.takeUnsigned(),
      'DER integer out of range',
    ],
    ['boolean 1', '010101', (der) => der.takeBoolean(), 'DER boolean not canonical'],
    ['boolean of two octets', '0102ffff', (der) => der.takeBoolean(), 'DER boolean not canonical'],
    [
      'object identifier with padding',
      '06038001' + '01',
      (der) => der.takeOid(),
      'DER object identifier not minimal',
    ],
    ['object identifier cut short', '06022a86', (der) => der.takeOid(), 'DER object identifier cut short'],
    ['empty object identifier', '0600', (der) => der.takeOid(), 'DER object identifier out of range'],
    ['huge arc', '0607' + '2affffffffff7f', (der) => der.takeOid(), 'DER object identifier out of range'],
    ['bit string with unused bits', '03020780', (der) => der.takeBits(), 'DER bit string with unused bits'],
    ['empty bit string', '0300', (der) => der.takeBits(), 'DER bit string with unused bits'],
    [
      'time without seconds',
      '170b323631313233313230305a',
      (der) => der.takeTime(),
      'DER time in another form',
    ],
    [
      'time in February',
      `170d${Buffer.from('260230000000Z').toString('hex')}`,
      (der) => der.takeTime(),
      'DER time that does not exist',
    ],
    [
      'time with an offset',
      `1711${Buffer.from('2611231200000100Z').toString('hex')}`,
      (der) => der.takeTime(),
      'DER time in another form',
    ],
    [
      'long form in the short type',
      `170f${Buffer.from('20261123120000Z').toString('hex')}`,
      (der) => der.takeTime(),
      'DER time in another form',
    ],
    ['no time', '020101', (der) => der.takeTime(), 'not a DER time'],
  ];
  for (const [name, hex, read, detail] of cases)
    it(`refuses: ${name}`, () => {
      expect(refused(hex, read)).toBe(detail);
    });
});
