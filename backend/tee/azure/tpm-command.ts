// The five TPM 2.0 commands that a quote takes, as octets (TCG TPM 2.0 Library, parts 2 and 3, revision 1.59).

import { type Bytes, concat } from '../../../shared/bytes/concat.ts';
import { TeeError } from '../tee-driver.ts';

/** Sends one command and gives its response: a device answers each before it takes the next. */
export interface Tpm {
  exchange(command: Bytes): Promise<Uint8Array>;
}

/** Largest command or response of a PC client's TPM. */
export const TPM_MAXIMUM_BYTES = 4096;

const TAG_NO_SESSIONS = 0x8001;
const TAG_SESSIONS = 0x8002;
const COMMAND = { nvRead: 0x14e, quote: 0x158, nvReadPublic: 0x169, pcrRead: 0x17e } as const;
const HEADER_BYTES = 10;
const ALG_SHA256 = 0x000b;
const ALG_RSASSA = 0x0014;
/** TPM_RH_OWNER: Azure lets the owner, whose password is empty, read the paravisor's index. */
const OWNER = 0x40000001;
/** What each response has room for. */
const NV_CHUNK_BYTES = 512;
const NV_MAXIMUM_BYTES = 16 * 1024;
const PCR_BYTES = 32;
/** TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY (part 2, table 16). */
const TRY_AGAIN: ReadonlySet<number> = new Set([0x908, 0x90a, 0x922]);
const TRIES = 10;
/** The empty password: handle TPM_RS_PW, no nonce, no attributes, no secret. */
const EMPTY_PASSWORD = Uint8Array.of(0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0);

/**
 * All octets of an NV index.
 * @throws TeeError `tee_refused` with the TPM's code, or `tee_answer_malformed`.
 */
export async function readNvIndex(tpm: Tpm, index: number): Promise<Bytes> {
  const described = await run(tpm, COMMAND.nvReadPublic, [index], undefined, new Uint8Array());
  // TPM2B_NV_PUBLIC: index, name algorithm, attributes, policy, size of the data.
  described.half();
  described.word();
  described.half();
  described.word();
  described.sized();
  const size = described.half();
  if (size > NV_MAXIMUM_BYTES) throw malformed('an index over its bound');
  const parts: Bytes[] = [];
  for (let offset = 0; offset < size; offset += NV_CHUNK_BYTES) {
    const wanted = Math.min(NV_CHUNK_BYTES, size - offset);
    const answer = await run(tpm, COMMAND.nvRead, [OWNER, index], EMPTY_PASSWORD, halves(wanted, offset));
    const part = answer.sized();
    if (part.length !== wanted) throw malformed('a part of another length');
    parts.push(part);
  }
  return concat(...parts);
}

/** A quote over registers of the SHA-256 bank: TPMS_ATTEST and its RSASSA signature. */
export async function quote(
  tpm: Tpm,
  request: {
    /** Persistent handle of the attestation key, whose password is empty. */
    readonly key: number;
    /** At most 64 octets: come back as `extraData`. */
    readonly qualifyingData: Bytes;
    /** Numbers of registers, 0 to 23. */
    readonly registers: readonly number[];
  },
): Promise<{ readonly message: Bytes; readonly signature: Bytes }> {
  const { key, qualifyingData, registers } = request;
  const parameters = concat(
    halves(qualifyingData.length),
    qualifyingData,
    halves(ALG_RSASSA, ALG_SHA256),
    selection(registers),
  );
  const answer = await run(tpm, COMMAND.quote, [key], EMPTY_PASSWORD, parameters);
  const message = answer.sized();
  if (answer.half() !== ALG_RSASSA || answer.half() !== ALG_SHA256)
    throw malformed('a signature of another kind');
  return { message, signature: answer.sized() };
}

/** Values of registers of the SHA-256 bank in ascending order, 32 octets each. */
export async function readRegisters(tpm: Tpm, registers: readonly number[]): Promise<readonly Bytes[]> {
  const values = new Map<number, Bytes>();
  let left = [...registers].sort((a, b) => a - b);
  while (left.length > 0) {
    const answer = await run(tpm, COMMAND.pcrRead, [], undefined, selection(left));
    answer.word();
    const given = readSelection(answer);
    const count = answer.word();
    if (count === 0 || count !== given.length) throw malformed('another number of registers');
    for (const register of given) {
      const value = answer.sized();
      if (value.length !== PCR_BYTES || !left.includes(register)) throw malformed('a register not asked for');
      values.set(register, value);
    }
    left = left.filter((register) => !values.has(register));
  }
  return [...values].sort(([a], [b]) => a - b).map(([, value]) => value);
}

async function run(
  tpm: Tpm,
  code: number,
  handles: readonly number[],
  authorisation: Uint8Array | undefined,
  parameters: Uint8Array,
): Promise<AnswerReader> {
  const body = concat(...handles.map(word), authorisation ?? new Uint8Array(), parameters);
  const tag = authorisation ? TAG_SESSIONS : TAG_NO_SESSIONS;
  const command = concat(halves(tag), word(HEADER_BYTES + body.length), word(code), body);
  for (let attempt = 1; ; attempt++) {
    const response = concat(await tpm.exchange(command));
    const reader = new AnswerReader(response);
    const answeredTag = reader.half();
    const size = reader.word();
    const result = reader.word();
    if (size !== response.length) throw malformed('a response of another length');
    // The TPM was busy with something of its own and did not begin: the same command again is what the standard asks for.
    if (TRY_AGAIN.has(result) && attempt < TRIES) continue;
    if (result !== 0)
      throw new TeeError(
        TRY_AGAIN.has(result) ? 'tee_busy' : 'tee_refused',
        `the TPM refused command 0x${code.toString(16)} with 0x${result.toString(16)}`,
      );
    if (answeredTag !== tag) throw malformed('a response of another kind');
    // With an authorisation the length of the parameters comes first and the authorisation's answer last.
    return authorisation ? new AnswerReader(reader.take(reader.word())) : reader;
  }
}

/** Reads big-endian fields; every read beyond the end is refused. */
class AnswerReader {
  readonly #octets: Bytes;
  #at = 0;

  constructor(octets: Bytes) {
    this.#octets = octets;
  }
  take(length: number): Bytes {
    if (this.#at + length > this.#octets.length) throw malformed('cut short');
    const taken = concat(this.#octets.subarray(this.#at, this.#at + length));
    this.#at += length;
    return taken;
  }
  octet(): number {
    return this.take(1)[0] as number;
  }
  half(): number {
    return new DataView(this.take(2).buffer).getUint16(0);
  }
  word(): number {
    return new DataView(this.take(4).buffer).getUint32(0);
  }
  /** A TPM2B: its length, then so many octets. */
  sized(): Bytes {
    return this.take(this.half());
  }
}

// TPML_PCR_SELECTION with one bank of 24 registers.
function selection(registers: readonly number[]): Bytes {
  const bits = new Uint8Array(3);
  for (const register of registers) {
    if (!Number.isInteger(register) || register < 0 || register > 23)
      throw new RangeError('registers are 0 to 23');
    bits[register >> 3] = (bits[register >> 3] as number) | (1 << (register & 7));
  }
  return concat(word(1), halves(ALG_SHA256), Uint8Array.of(bits.length), bits);
}

function readSelection(answer: AnswerReader): readonly number[] {
  if (answer.word() !== 1 || answer.half() !== ALG_SHA256) throw malformed('another bank of registers');
  const bits = answer.take(answer.octet());
  return [...bits].flatMap((octet, index) =>
    Array.from({ length: 8 }, (_, bit) => index * 8 + bit).filter((_, bit) => (octet >> bit) & 1),
  );
}

function word(value: number): Bytes {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value);
  return octets;
}

function halves(...values: readonly number[]): Bytes {
  const octets = new Uint8Array(values.length * 2);
  const view = new DataView(octets.buffer);
  for (const [index, value] of values.entries()) view.setUint16(index * 2, value);
  return octets;
}

function malformed(detail: string): TeeError {
  return new TeeError('tee_answer_malformed', `the TPM's response: ${detail}`);
}
