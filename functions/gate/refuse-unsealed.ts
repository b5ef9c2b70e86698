// Refuses everything unsealed that was meant for a model, before a single octet of it is read.

import { sealedRequestType } from '../../shared/wire/media-types.ts';
import { GATEWAY_PATH, INFERENCE_PREFIX, MODELS_PATH } from '../../shared/wire/routes.ts';
import { Refusal } from './refusal.ts';

/** Whether the path belongs to the inner routes, which mean something inside the seal only. */
export function isInferencePath(path: string): boolean {
  return path.startsWith(INFERENCE_PREFIX) || path === INFERENCE_PREFIX.slice(0, -1);
}

/**
 * Refuses a request that carries, or would carry, a prompt in the clear. It asks for no API key first and answers no
 * preflight: a browser that is refused the preflight never sends the prompt.
 * @throws Refusal `unsealed_request`.
 */
export function refuseUnsealed(method: string, path: string, headers: Headers): void {
  const sealed = sealedRequestType(headers.get('content-type')) !== undefined;
  if (isInferencePath(path)) {
    const readsModels =
      path === MODELS_PATH && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS');
    if (readsModels) return;
    if (!sealed) throw new Refusal('unsealed_request');
    throw new Refusal('unsealed_request', {
      message: `Sealed requests go to ${GATEWAY_PATH} and name their route inside the seal. Nothing was read.`,
    });
  }
  if (path === GATEWAY_PATH && method === 'POST' && !sealed) throw new Refusal('unsealed_request');
}
