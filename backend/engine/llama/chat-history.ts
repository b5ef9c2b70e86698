// Turns the messages of a request into the library's history of a chat.

import type {
  ChatHistoryItem,
  ChatModelFunctionCall,
  ChatModelFunctions,
  ChatModelResponse,
} from 'node-llama-cpp';
import type { ChatMessage, ToolCall } from './chat-request.ts';
import type { Tool } from './tool-request.ts';

type Assistant = Extract<ChatMessage, { role: 'assistant' }>;
type Response = ChatModelResponse['response'];

/**
 * The history, ending with the answer that is to be generated: a message of its own even where the last one given is the assistant's.
 * After a tool's result the library goes on within the message that made the call, and so does this.
 */
export function toHistory(messages: readonly ChatMessage[]): ChatHistoryItem[] {
  const history: ChatHistoryItem[] = [];
  // The assistant's turn that tools have answered within, until somebody else speaks.
  let turn: Response | undefined;
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') continue;
    if (message.role !== 'assistant') {
      turn = undefined;
      history.push({ type: message.role, text: message.text });
      continue;
    }
    const parts = toResponse(message, messages.slice(index + 1));
    if (turn === undefined) history.push({ type: 'model', response: parts });
    else turn.push(...parts);
    turn = message.calls.length > 0 ? (turn ?? parts) : undefined;
  }
  if (turn === undefined) history.push({ type: 'model', response: [] });
  return history;
}

function toResponse({ text, calls }: Assistant, after: readonly ChatMessage[]): Response {
  const results = new Map<string, string>();
  for (const message of after) {
    if (message.role !== 'tool') break;
    results.set(message.callId, message.text);
  }
  const parts: Response = text === '' && calls.length > 0 ? [] : [text];
  parts.push(...calls.map((call, index) => toCall(call, results.get(call.id), index === 0)));
  return parts;
}

function toCall(call: ToolCall, result: string | undefined, startsNewChunk: boolean): ChatModelFunctionCall {
  return { type: 'functionCall', name: call.name, params: parse(call.arguments), result, startsNewChunk };
}

// What the model wrote may be no JSON; then it is shown what it wrote.
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The tools as the library tells the model of them. */
export function toFunctions(tools: readonly Tool[]): ChatModelFunctions {
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      { ...(description !== undefined && { description }), params: parameters as { type: 'object' } },
    ]),
  );
}
