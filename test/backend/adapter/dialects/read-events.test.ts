import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventReader } from '../../../../backend/adapter/dialects/read-events.ts';
import { toUtf8 } from '../../../../shared/bytes/utf8.ts';

const read = (...pieces: Uint8Array[]): string[] => {
  const reader = new EventReader();
  return pieces.flatMap((piece) => reader.push(piece));
};

describe('a reader of event streams', () => {
  test.each([
    ['data: a\n\n', ['a']],
    ['data:a\ndata: b\n\n', ['a\nb']],
    [': comment\n\nevent: x\nid: 1\nretry: 2\ndata: a\n\n', ['a']],
    ['data\n\n', ['']],
    ['data: a\r\n\r\ndata: b\r\rdata: c\n\n', ['a', 'b', 'c']],
    ['data:  a\n\n', [' a']],
    ['database: a\n\n', []],
    ['data: never ended\n', []],
  ])('%j', (text, events) => {
    expect(read(toUtf8(text))).toEqual(events);
  });

  test.each(['\n', '\r\n', '\r'])('gives the same wherever it is cut, with ends of lines %j', (end) => {
    const octets = toUtf8(
      [
        ': hello',
        'event: x',
        'data: Grüße 🌍',
        'data: 2',
        '',
        'data: {"a":1}',
        '',
        'data: [DONE]',
        '',
        '',
      ].join(end),
    );
    const whole = ['Grüße 🌍\n2', '{"a":1}', '[DONE]'];
    for (let cut = 0; cut <= octets.length; cut++)
      expect(read(octets.subarray(0, cut), octets.subarray(cut)), `cut at ${cut}`).toEqual(whole);
    expect(read(...Array.from(octets, (octet) => Uint8Array.of(octet)))).toEqual(whole);
  });

  test('gives the same for any stream and any cuts', () => {
    const line = fc.constantFrom('data: a', 'data:é', ':c', 'event: x', '', 'data', '\r', 'x');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\r'))),
        fc.array(fc.nat(200)),
        (lines, cuts) => {
          const octets = toUtf8(lines.flat().join(''));
          const at = [...new Set([0, ...cuts.filter((cut) => cut < octets.length), octets.length])].sort(
            (a, b) => a - b,
          );
          const pieces = at.slice(1).map((end, index) => octets.subarray(at[index], end));
          expect(read(...pieces)).toEqual(read(octets));
        },
      ),
    );
  });

  test.each([
    ['an event without end', toUtf8(`data: ${'x'.repeat(1024 * 1024)}`)],
    ['an event of many lines', toUtf8(`data: ${'x'.repeat(1000)}\n`.repeat(1100))],
    ['octets that are no UTF-8', Uint8Array.of(0x64, 0xff)],
  ])('refuses %s', (_, octets) => {
    expect(() => read(octets)).toThrowError(expect.objectContaining({ code: 'engine_answer_invalid' }));
  });
});
