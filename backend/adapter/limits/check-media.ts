// Images, sounds and files come with the request or not at all: the engine has no network to fetch them and nothing is stored.

import { Refusal } from '../refusal.ts';
import { asObject, type JsonObject } from './read-json-body.ts';
import { REQUEST_LIMIT } from './request-limits.ts';

/** Members of a content part that hold a URL, as text or as `{url}` (OpenAI's parts and vLLM's). */
const URL_MEMBERS = ['image_url', 'video_url', 'audio_url', 'file_url', 'url'];
/** Members that name something stored. */
const STORED_MEMBERS = ['file_id', 'file_data_id'];
const DATA_URL = /^data:/i;

/**
 * Looks at the content parts of every message or item in `conversation`, also of those inside tool results.
 * @throws Refusal `media_not_inline` for a URL that is no `data:` URL, or a stored file; `limit_exceeded` for too many parts.
 */
export function checkMedia(name: string, conversation: unknown): void {
  if (!Array.isArray(conversation)) return;
  let count = 0;
  const visit = (parts: unknown, path: string): void => {
    if (!Array.isArray(parts)) return;
    for (const [index, item] of parts.entries()) {
      const part = asObject(item);
      if (part === undefined) continue;
      const at = `${path}[${index}]`;
      visit(part.content, `${at}.content`);
      const places = [part, ...['source', 'file', 'input_audio'].map((member) => asObject(part[member]))];
      // What a model wrote as a tool's input, and plain text, is no medium whatever its members are called.
      if (part.type === 'text' || part.type === 'tool_use' || part.type === 'tool_result') continue;
      if (places.some((place) => place !== undefined && holdsMedium(place, at))) count++;
      if (count > REQUEST_LIMIT.mediaParts)
        throw new Refusal('limit_exceeded', {
          message: `The limit of images, sounds and files is ${REQUEST_LIMIT.mediaParts}. Nothing was started.`,
          param: at,
        });
    }
  };
  for (const [index, item] of conversation.entries()) {
    const at = `${name}[${index}]`;
    visit(asObject(item)?.content, `${at}.content`);
    // A tool's result in the Responses API.
    visit(asObject(item)?.output, `${at}.output`);
  }
}

function holdsMedium(part: JsonObject, at: string): boolean {
  for (const member of STORED_MEMBERS)
    if (typeof part[member] === 'string') throw notInline(`${at}.${member}`);
  let any = typeof part.data === 'string' || typeof part.file_data === 'string';
  for (const member of URL_MEMBERS) {
    const value = part[member];
    const url = asObject(value)?.url ?? value;
    if (url === undefined || url === null) continue;
    if (typeof url !== 'string' || !DATA_URL.test(url)) throw notInline(`${at}.${member}`);
    any = true;
  }
  return any;
}

function notInline(param: string): Refusal {
  return new Refusal('media_not_inline', { param });
}
