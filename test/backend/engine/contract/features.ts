// What each engine can do, as the contract suite finds it; docs/engines.md shows the same table.

/** `yes`: the contract holds. `refused`: a refusal names the member. `other`: it answers, but not as the contract says; the note tells how. */
export type Support = 'yes' | 'refused' | 'other';

export const FEATURES = {
  chat: 'chat completions, whole and streamed',
  completions: 'completions, whole and streamed; token prompts',
  embeddings: 'embeddings, `float` and `base64`',
  models: 'the list of models',
  usage: '`usage`, and `stream_options.include_usage`',
  roles: 'roles `system`, `developer`, `user`, `assistant`',
  'unknown members': 'unknown members are ignored',
  stop: '`stop` as text or list, across tokens',
  'max tokens': '`max_tokens` and `max_completion_tokens`; `finish_reason: length`',
  seed: '`seed`',
  sampling: '`temperature`, `top_p`, `min_p`, `top_k`, penalties',
  'logit bias': '`logit_bias`',
  n: '`n`',
  'json mode': '`response_format: json_object`',
  'json schema': '`response_format: json_schema`',
  'tool choice required': '`tool_choice: required`',
  'tool choice named': '`tool_choice` with a name',
  'tool choice none': '`tool_choice: none` and `auto`',
  'streamed tools': 'streamed `tool_calls`',
  'tool results': 'results of tools, fed back',
  logprobs: '`logprobs` and `top_logprobs` in chat',
  'completion logprobs': '`logprobs` in completions',
  echo: '`echo`',
  refusals: 'refusals in OpenAI’s shape: no messages, no JSON, a prompt over the context',
  abort: 'a lost caller frees its place',
  concurrent: 'several requests at once',
} as const;

export type Feature = keyof typeof FEATURES;

/** Engines that the suite was run on. Where a feature is not named here it is `yes`. */
export const ENGINE_SUPPORT: Readonly<
  Record<
    'node-llama-cpp' | 'llama-server',
    Partial<Record<Feature, readonly [Exclude<Support, 'yes'>, string]>>
  >
> = {
  'node-llama-cpp': {},
  'llama-server': {
    embeddings: [
      'refused',
      '501: a server with `--embeddings` answers nothing else, so it takes a second one',
    ],
    n: ['other', 'at most as many as requests at once; `usage` counts one choice'],
    'tool choice required': [
      'other',
      'not enforced: a template without tools drops them, with one text may come before the call',
    ],
    'tool choice named': ['other', 'as `required`'],
    'streamed tools': ['other', 'as `required`'],
    'completion logprobs': ['other', 'in the shape of chat completions'],
    echo: ['other', 'ignored'],
    refusals: ['other', 'a body that is no JSON is a 500; the adapter refuses it before'],
  },
};
