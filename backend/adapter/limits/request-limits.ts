// The limits of what may be asked. Each refuses before a request is queued, and is named in the refusal. docs/api.md lists them.

const KIB = 1024;
const MIB = 1024 * KIB;

/** The largest value that is served. Units are in the names; counts have none. */
export const REQUEST_LIMIT = {
  /** The body inside the seal. */
  bodyBytes: 8 * MIB,
  /** Objects and arrays inside one another, in the whole body. */
  jsonDepth: 64,
  /** Strings, numbers, literals, objects and arrays in the whole body, member names not counted. */
  jsonValues: 500_000,
  /** Numbers that are longer than 15 characters or have an exponent, where a request is translated and has to keep them. */
  wideNumbers: 10_000,
  /** Tokens that may be asked for: `max_tokens`, `max_completion_tokens`, `max_output_tokens`. The engine's context may be smaller. */
  outputTokens: 131_072,
  /** Choices: `n`. */
  choices: 8,
  /** Candidates of which the best are returned: `best_of`. */
  bestOf: 8,
  /** `messages`, or items of `input` in the Responses API. */
  messages: 2048,
  /** Prompts of one completion request: items of `prompt`. */
  prompts: 128,
  /** Texts of one embeddings request: items of `input`. */
  embeddingInputs: 2048,
  /** `tools` or `functions`. */
  tools: 256,
  /** Objects and arrays inside one another in one JSON schema: a tool's parameters or the format of the answer. */
  schemaDepth: 32,
  /** One JSON schema, written without white space. */
  schemaBytes: 64 * KIB,
  /** `stop` or `stop_sequences`. */
  stops: 16,
  /** Alternatives for each token: `top_logprobs`, and `logprobs` of completions. */
  logprobs: 20,
  /** Images, sounds and files of one request, all as `data:` URLs. */
  mediaParts: 64,
} as const;
