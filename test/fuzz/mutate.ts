// Makes new inputs out of old ones: bits, octets, lengths, words of the format, pieces of others.

/** Random numbers that a seed repeats (xorshift32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 to `below` - 1. */
  roll(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }
}

/** Octets where parsers have their limits: signs, varint forms, tags, ends. */
const INTERESTING = [
  0, 1, 2, 3, 15, 16, 17, 0x20, 0x30, 0x3f, 0x40, 0x41, 0x7f, 0x80, 0x81, 0x82, 0xbf, 0xc0, 0xff,
];

/** A mutant of `input` no longer than `maxOctets`. `other` lends pieces, `words` are octet strings of the format. */
export function mutate(
  input: Uint8Array,
  other: Uint8Array,
  words: readonly Uint8Array[],
  maxOctets: number,
  dice: Dice,
): Uint8Array<ArrayBuffer> {
  let mutant = new Uint8Array(input);
  for (let changes = 1 << dice.roll(4); changes > 0; changes--) mutant = change(mutant, other, words, dice);
  return mutant.length > maxOctets ? mutant.slice(0, maxOctets) : mutant;
}

function change(
  octets: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  words: readonly Uint8Array[],
  dice: Dice,
): Uint8Array<ArrayBuffer> {
  const at = dice.roll(octets.length + 1);
  const present = at < octets.length;
  switch (dice.roll(9)) {
    case 0:
      if (present) octets[at] = (octets[at] as number) ^ (1 << dice.roll(8));
      return octets;
    case 1:
      if (present) octets[at] = dice.roll(256);
      return octets;
    case 2:
      if (present) octets[at] = INTERESTING[dice.roll(INTERESTING.length)] as number;
      return octets;
    case 3:
      if (present) octets[at] = ((octets[at] as number) + dice.roll(9) - 4) & 0xff;
      return octets;
    case 4:
      return splice(octets, at, Math.min(octets.length - at, 1 + dice.roll(16)), new Uint8Array(0));
    case 5:
      return splice(
        octets,
        at,
        0,
        octets.subarray(dice.roll(octets.length + 1)).subarray(0, 1 + dice.roll(32)),
      );
    case 6:
      return splice(octets, at, 0, Uint8Array.of(INTERESTING[dice.roll(INTERESTING.length)] as number));
    case 7: {
      const from = dice.roll(other.length + 1);
      return splice(
        octets,
        at,
        dice.roll(octets.length - at + 1),
        other.subarray(from, from + 1 + dice.roll(64)),
      );
    }
    default: {
      const word = words[dice.roll(Math.max(1, words.length))] ?? Uint8Array.of(dice.roll(256));
      return splice(octets, at, dice.roll(2) === 0 ? 0 : Math.min(word.length, octets.length - at), word);
    }
  }
}

function splice(octets: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array<ArrayBuffer> {
  const spliced = new Uint8Array(octets.length - removed + put.length);
  spliced.set(octets.subarray(0, at));
  spliced.set(put, at);
  spliced.set(octets.subarray(at + removed), at + put.length);
  return spliced;
}
