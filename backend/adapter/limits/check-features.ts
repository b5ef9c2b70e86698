// What a request needs of the engine beyond text, against the features that the attested surface has.

import { Refusal } from '../refusal.ts';
import { asObject, type JsonObject } from './read-json-body.ts';

/** Every feature that a deployment may switch on; the words stand in the core's surface. */
export const FEATURES = ['streaming', 'tools', 'json-schema', 'logprobs', 'images'] as const;
export type Feature = (typeof FEATURES)[number];

/** A feature that a request uses, and the member that asks for it. */
type Use = readonly [feature: Feature, param: string];

/**
 * `body`: a request as chat completions or completions have it.
 * @throws Refusal `feature_not_offered`, naming the feature and the member.
 */
export function checkFeatures(body: JsonObject, offered: readonly string[]): void {
  for (const [feature, param] of usesOf(body))
    if (!offered.includes(feature))
      throw new Refusal('feature_not_offered', {
        message: `This deployment does not offer ${feature}. Nothing was started.`,
        param,
      });
}

function* usesOf(body: JsonObject): Generator<Use> {
  if (body.stream === true) yield ['streaming', 'stream'];
  for (const member of ['tools', 'functions'])
    if (Array.isArray(body[member]) && body[member].length > 0) yield ['tools', member];
  const format = asObject(body.response_format)?.type;
  if (format === 'json_schema' || format === 'json_object') yield ['json-schema', 'response_format'];
  const { logprobs } = body;
  if (logprobs !== undefined && logprobs !== null && logprobs !== false) yield ['logprobs', 'logprobs'];
  if (!Array.isArray(body.messages)) return;
  for (const [index, message] of body.messages.entries()) {
    const content = asObject(message)?.content;
    if (Array.isArray(content) && content.some((part) => asObject(part)?.type === 'image_url'))
      yield ['images', `messages[${index}].content`];
  }
}
