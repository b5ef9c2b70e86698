// Makes the model call a function: its call is begun for it, in the syntax of its template, and a grammar holds it to the parameters.

import type { LlamaText, Token } from 'node-llama-cpp';
import { type AnswerEnd, type AnswerPiece, newCallId } from './answer-piece.ts';
import type { ChatRequest } from './chat-request.ts';
import { generateTokens } from './generate-tokens.ts';
import type { LoadedModel } from './load-model.ts';
import type { SamplingDefaults } from './sampler-options.ts';
import type { SequenceSlot } from './sequence-slot.ts';
import type { Tool } from './tool-request.ts';

/** What was rendered before the call. */
export interface CallPrompt {
  readonly context: LlamaText;
  /** Tokens of `context`: what the request counts as its prompt. */
  readonly tokens: readonly Token[];
  readonly maxTokens: number;
}

/**
 * Generates one call: of the function that the request names, or of one that the model picks.
 * @throws the signal's reason when aborted; anything else is the engine's own failure.
 */
export async function forceCall(
  loaded: LoadedModel,
  slot: SequenceSlot,
  request: ChatRequest,
  { context, tokens, maxTokens }: CallPrompt,
  defaults: SamplingDefaults,
  choice: number,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
): Promise<AnswerEnd> {
  const { library, model, wrapper, llama } = loaded;
  const { call, parallelism } = wrapper.settings.functions;
  const begin = library.LlamaText([context, parallelism?.call.sectionPrefix ?? '', call.prefix]);
  const generate = (task: Parameters<typeof generateTokens>[4], onText: (text: string) => void) =>
    generateTokens(loaded, slot, request, defaults, task, signal, ({ text }) => onText(text));
  const common = { maxTokens, choice, stop: [] };

  let { name, picked, cachedTokens } = { name: onlyName(request), picked: 0, cachedTokens: 0 };
  if (name === undefined) {
    const names = request.tools.tools.map((tool) => JSON.stringify(tool.name)).join(' | ');
    const grammar = await llama.createGrammar({ grammar: `root ::= ${names}` });
    const prompt = begin.tokenize(model.tokenizer);
    let text = '';
    const end = await generate({ ...common, prompt, grammar }, (piece) => {
      text += piece;
    });
    name = text;
    picked = end.tokens;
    cachedTokens = end.cachedTokens;
  }
  const counts = { promptTokens: tokens.length, cachedTokens };
  const tool = request.tools.tools.find((candidate) => candidate.name === name);
  // the limit came in the middle of the name
  if (tool === undefined) return { ...counts, finishReason: 'length', completionTokens: picked };

  onPiece({ kind: 'call', index: 0, begins: { id: newCallId(), name: tool.name }, text: '' });
  const grammar = await llama.createGrammarForJsonSchema(tool.parameters as { type: 'object' });
  const prefix = named(library.LlamaText(call.paramsPrefix), tool);
  const prompt = library.LlamaText([begin, tool.name, prefix]).tokenize(model.tokenizer);
  const end = await generate(
    { ...common, prompt, grammar, maxTokens: Math.max(1, maxTokens - picked), isWhole: isJson },
    (text) => onPiece({ kind: 'call', index: 0, text }),
  );
  return {
    promptTokens: tokens.length,
    cachedTokens: picked > 0 ? cachedTokens : Math.min(end.cachedTokens, tokens.length),
    finishReason: end.finishReason === 'length' ? 'length' : 'tool_calls',
    completionTokens: picked + end.tokens,
  };
}

function onlyName({ tools: { tools, choice } }: ChatRequest): string | undefined {
  if (typeof choice === 'object') return choice.name;
  return tools.length === 1 ? tools[0]?.name : undefined;
}

// Some templates repeat the function's name before its parameters.
function named(text: LlamaText, { name }: Tool): LlamaText {
  return text.mapValues((value) =>
    typeof value === 'string' ? value.replaceAll('{{functionName}}', name) : value,
  );
}

// The grammar of a schema goes on with white space that nobody needs.
function isJson(text: string): boolean {
  if (!text.endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
