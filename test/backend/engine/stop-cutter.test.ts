// Where an answer is cut, wherever its pieces' borders fall.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopCutter } from '../../../backend/engine/llama/stop-cutter.ts';

function cut(pieces: readonly string[], stops: readonly string[]): [text: string, stopped: boolean] {
  const cutter = new StopCutter(stops);
  const text = pieces.map((piece) => cutter.push(piece)).join('') + cutter.end();
  return [text, cutter.stopped];
}

describe('cutting before a stop string', () => {
  it.each<[string, string[], string[], string, boolean]>([
    ['within a piece', ['one two three'], ['two'], 'one ', true],
    ['across pieces', ['one t', 'w', 'o three'], ['two'], 'one ', true],
    ['at the first of several', ['a', 'bc', 'de'], ['d', 'b'], 'a', true],
    ['not at a beginning that is no stop', ['one t', 'wenty'], ['two'], 'one twenty', false],
    ['not at the end of the text', ['one t', 'w'], ['two'], 'one tw', false],
    ['where a stop repeats itself', ['aa', 'ab'], ['aab'], 'a', true],
    ['without any', ['a', 'b'], [], 'ab', false],
  ])('%s', (_name, pieces, stops, text, stopped) => {
    expect(cut(pieces, stops)).toEqual([text, stopped]);
  });

  it('gives what the whole text would give, however it is split', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(letters), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('');
        const ends = stops.map((one) => whole.indexOf(one)).filter((place) => place >= 0);
        const [text, stopped] = cut(pieces, stops);
        expect(stopped).toBe(ends.length > 0);
        // a longer stop that began earlier may end later: what has left by then stays
        if (ends.length === 0) expect(text).toBe(whole);
        else expect(whole.startsWith(text) && text.length <= Math.min(...ends) + 3).toBe(true);
        for (const one of stops) if (stopped) expect(text.includes(one)).toBe(false);
      }),
    );
  });
});
