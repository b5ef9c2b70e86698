// Writes a tiny language model with random weights: real enough for llama.cpp, the same octets for the same seed.

import { writeFileSync } from 'node:fs';

const DIMENSION = 64;
const LAYERS = 2;
const HEADS = 4;
const FEED_FORWARD = 128;
const CONTEXT = 2048;
const VOCABULARY = 512;
const ALIGNMENT = 32;

/** ggml's numbers: the tensor types, the metadata value types and the token types of GGUF version 3. */
const TENSOR = { f32: 0, q8: 8 } as const;
const VALUE = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;
const TOKEN = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

const CHAT_ML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** ChatML with tools, in the way that most models of its family write calls. */
export const CHAT_ML_WITH_TOOLS =
  "{% if tools %}{{ '<|im_start|>system\\nYou may call:\\n<tools>\\n' }}{% for tool in tools %}{{ (tool | tojson) + '\\n' }}{% endfor %}" +
  '{{ \'</tools>\\nTo call, write:\\n<tool_call>\\n{"name": NAME, "arguments": ARGUMENTS}\\n</tool_call><|im_end|>\\n\' }}{% endif %}' +
  "{% for message in messages %}{% if message['role'] == 'tool' %}" +
  "{{ '<|im_start|>user\\n<tool_response>\\n' + message['content'] + '\\n</tool_response><|im_end|>\\n' }}" +
  "{% else %}{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['content'] %}{{ message['content'] }}{% endif %}" +
  "{% if message['tool_calls'] %}{% for call in message['tool_calls'] %}" +
  "{{ '\\n<tool_call>\\n{\"name\": \"' + call['function']['name'] + '\", \"arguments\": ' }}" +
  "{{ (call['function']['arguments'] | tojson) + '}\\n</tool_call>' }}{% endfor %}{% endif %}" +
  "{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

interface Token {
  readonly text: string;
  readonly type: number;
}

const SPECIAL: readonly Token[] = [
  { text: '<unk>', type: TOKEN.unknown },
  { text: '<s>', type: TOKEN.control },
  { text: '</s>', type: TOKEN.control },
  { text: '<|im_start|>', type: TOKEN.control },
  { text: '<|im_end|>', type: TOKEN.control },
];
const BEGIN = 1;
const END_OF_TURN = 4;
/** Special and byte tokens: their rows are zero, so that a greedy answer is always plain text and never ends by itself. */
const SILENT_TOKENS = SPECIAL.length + 256;

/** Writes the model to `path`. It speaks nonsense made of words `w261`, `w262`, … and knows ChatML. */
export function writeRandomModel(path: string, seed = 1, chatTemplate = CHAT_ML): void {
  writeFileSync(path, makeRandomModel(seed, chatTemplate));
}

/** The octets of the GGUF file. */
export function makeRandomModel(seed = 1, chatTemplate = CHAT_ML): Uint8Array {
  const random = mulberry32(seed);
  const tensors = listTensors(random);
  const metadata = makeMetadata(chatTemplate);
  const header = new Writer();
  header.raw(Buffer.from('GGUF'));
  header.uint32(3);
  header.uint64(tensors.length);
  header.uint64(metadata.length);
  for (const { key, write } of metadata) {
    header.string(key);
    write(header);
  }
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    header.string(name);
    header.uint32(shape.length);
    for (const size of shape) header.uint64(size);
    header.uint32(type);
    header.uint64(offset);
    offset += padded(data.length);
  }
  const parts = [pad(header.bytes())];
  for (const { data } of tensors) parts.push(pad(data));
  return new Uint8Array(Buffer.concat(parts));
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly data: Buffer;
}

function listTensors(random: () => number): Tensor[] {
  const norm = (name: string): Tensor => {
    const data = Buffer.alloc(4 * DIMENSION);
    for (let i = 0; i < DIMENSION; i++) data.writeFloatLE(1, 4 * i);
    return { name, shape: [DIMENSION], type: TENSOR.f32, data };
  };
  const matrix = (name: string, columns: number, rows: number, silent = 0): Tensor => ({
    name,
    shape: [columns, rows],
    type: TENSOR.q8,
    data: randomQ8(columns, rows, silent, random),
  });
  const tensors = [
    matrix('token_embd.weight', DIMENSION, VOCABULARY, SILENT_TOKENS),
    norm('output_norm.weight'),
  ];
  for (let layer = 0; layer < LAYERS; layer++) {
    const name = (part: string) => `blk.${layer}.${part}.weight`;
    tensors.push(norm(name('attn_norm')), norm(name('ffn_norm')));
    for (const part of ['attn_q', 'attn_k', 'attn_v', 'attn_output'])
      tensors.push(matrix(name(part), DIMENSION, DIMENSION));
    tensors.push(
      matrix(name('ffn_gate'), DIMENSION, FEED_FORWARD),
      matrix(name('ffn_up'), DIMENSION, FEED_FORWARD),
      matrix(name('ffn_down'), FEED_FORWARD, DIMENSION),
    );
  }
  return tensors;
}

// Q8_0: blocks of 32 weights, a half-precision scale and 32 signed octets. Uniform weights of about unit gain.
function randomQ8(columns: number, rows: number, silentRows: number, random: () => number): Buffer {
  const block = 34;
  const blocks = (columns * rows) / 32;
  const data = Buffer.alloc(blocks * block);
  const scale = toHalf((1.5 * Math.sqrt(3 / columns)) / 127);
  for (let b = 0; b < blocks; b++) {
    data.writeUInt16LE(scale, b * block);
    if (b * 32 < silentRows * columns) continue;
    for (let i = 0; i < 32; i++) data.writeInt8(Math.floor(random() * 255) - 127, b * block + 2 + i);
  }
  return data;
}

interface Entry {
  readonly key: string;
  readonly write: (to: Writer) => void;
}

function makeMetadata(chatTemplate: string): Entry[] {
  const tokens = listTokens();
  const uint32 = (key: string, value: number): Entry => ({
    key,
    write: (to) => {
      to.uint32(VALUE.uint32);
      to.uint32(value);
    },
  });
  const float32 = (key: string, value: number): Entry => ({
    key,
    write: (to) => {
      to.uint32(VALUE.float32);
      to.float32(value);
    },
  });
  const string = (key: string, value: string): Entry => ({
    key,
    write: (to) => {
      to.uint32(VALUE.string);
      to.string(value);
    },
  });
  const no = (key: string): Entry => ({
    key,
    write: (to) => {
      to.uint32(VALUE.bool);
      to.raw(Buffer.from([0]));
    },
  });
  const list = (key: string, type: number, write: (to: Writer, token: Token) => void): Entry => ({
    key,
    write: (to) => {
      to.uint32(VALUE.array);
      to.uint32(type);
      to.uint64(tokens.length);
      for (const token of tokens) write(to, token);
    },
  });
  return [
    string('general.architecture', 'llama'),
    string('general.name', 'random'),
    uint32('general.alignment', ALIGNMENT),
    uint32('llama.context_length', CONTEXT),
    uint32('llama.embedding_length', DIMENSION),
    uint32('llama.block_count', LAYERS),
    uint32('llama.feed_forward_length', FEED_FORWARD),
    uint32('llama.attention.head_count', HEADS),
    uint32('llama.attention.head_count_kv', HEADS),
    uint32('llama.rope.dimension_count', DIMENSION / HEADS),
    uint32('llama.vocab_size', VOCABULARY),
    float32('llama.attention.layer_norm_rms_epsilon', 1e-5),
    string('tokenizer.ggml.model', 'llama'),
    string('tokenizer.chat_template', chatTemplate),
    list('tokenizer.ggml.tokens', VALUE.string, (to, { text }) => to.string(text)),
    list('tokenizer.ggml.scores', VALUE.float32, (to) => to.float32(0)),
    list('tokenizer.ggml.token_type', VALUE.int32, (to, { type }) => to.uint32(type)),
    uint32('tokenizer.ggml.unknown_token_id', 0),
    uint32('tokenizer.ggml.bos_token_id', BEGIN),
    uint32('tokenizer.ggml.eos_token_id', END_OF_TURN),
    no('tokenizer.ggml.add_bos_token'),
    no('tokenizer.ggml.add_space_prefix'),
  ];
}

// SentencePiece: special tokens, all octets, printable ASCII (a space is U+2581), and words to fill the table.
function listTokens(): Token[] {
  const tokens = [...SPECIAL];
  for (let octet = 0; octet < 256; octet++)
    tokens.push({ text: `<0x${octet.toString(16).toUpperCase().padStart(2, '0')}>`, type: TOKEN.byte });
  for (let code = 0x20; code < 0x7f; code++)
    tokens.push({ text: code === 0x20 ? '\u2581' : String.fromCharCode(code), type: TOKEN.normal });
  while (tokens.length < VOCABULARY) tokens.push({ text: `\u2581w${tokens.length}`, type: TOKEN.normal });
  return tokens;
}

class Writer {
  readonly #parts: Buffer[] = [];
  raw(part: Buffer): void {
    this.#parts.push(part);
  }
  uint32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    this.raw(part);
  }
  uint64(value: number): void {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    this.raw(part);
  }
  float32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeFloatLE(value);
    this.raw(part);
  }
  string(text: string): void {
    const part = Buffer.from(text, 'utf8');
    this.uint64(part.length);
    this.raw(part);
  }
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function pad(part: Buffer): Buffer {
  return Buffer.concat([part, Buffer.alloc(padded(part.length) - part.length)]);
}

// IEEE 754 binary16 of a small positive normal number, rounded down: all that a scale needs.
function toHalf(value: number): number {
  const exponent = Math.floor(Math.log2(value));
  const fraction = Math.floor((value / 2 ** exponent - 1) * 1024);
  return ((exponent + 15) << 10) | fraction;
}

// A 32-bit generator: the seed fixes every weight.
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
