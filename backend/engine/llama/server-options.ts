// The command line of the llama server.

import { parseArgs } from 'node:util';

/** What the adapter tells the server; nothing is read from the environment. */
export interface ServerOptions {
  /** Path of the GGUF file. */
  readonly model: string;
  /** The id that requests must name. */
  readonly modelId: string;
  readonly threads: number;
  /** Requests answered at the same time. */
  readonly sequences: number;
  /** Tokens of prompt and answer together, per sequence. */
  readonly context: number;
  /** Requests that may wait. */
  readonly queue: number;
  /** Used where a request names none. */
  readonly temperature: number;
  readonly topP: number;
}

/**
 * Reads `--model PATH --model-id ID --threads N --sequences N --context N --queue N --temperature X --top-p X`.
 * @throws RangeError or TypeError on anything missing, unknown or out of range.
 */
export function readServerOptions(args: readonly string[]): ServerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      model: text,
      'model-id': text,
      threads: text,
      sequences: text,
      context: text,
      queue: text,
      temperature: text,
      'top-p': text,
    },
  });
  if (!values.model || !values['model-id']) throw new RangeError('--model and --model-id are needed');
  return {
    model: values.model,
    modelId: values['model-id'],
    threads: number(values.threads, 'threads', 1, 1024, true),
    sequences: number(values.sequences ?? '2', 'sequences', 1, 256, true),
    context: number(values.context ?? '2048', 'context', 256, 1 << 20, true),
    queue: number(values.queue ?? '32', 'queue', 0, 65_536, true),
    temperature: number(values.temperature ?? '1', 'temperature', 0, 2, false),
    topP: number(values['top-p'] ?? '1', 'top-p', 0, 1, false),
  };
}

function number(text: string | undefined, name: string, low: number, high: number, whole: boolean): number {
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value)))
    throw new RangeError(`--${name} must be ${whole ? 'a whole number ' : ''}between ${low} and ${high}`);
  return value;
}
