// What an unsealed answer may tell the caller: a known code, with our own sentence. Its text is never surfaced.

import { PUBLIC_ERRORS, type PublicErrorCode, publicErrorBody } from '../wire/public-error.ts';
import { CloisterError } from './cloister-error.ts';

const ERROR_BODY_BYTES = 16 * 1024;

/**
 * A Response that an OpenAI SDK understands, built from the catalogue. The edge could have made any of it up: it is marked
 * `cloister-authenticated: false`, and correct or not it carries no model output.
 * @throws CloisterError `unsealed_response` when the answer claims success: that is never passed on.
 */
export async function readUnsealedError(response: Response): Promise<Response> {
  if (response.status < 400) {
    await response.body?.cancel();
    throw new CloisterError(
      'unsealed_response',
      'An unsealed answer came back instead of a sealed one. It was not read.',
    );
  }
  const code = await readCode(response);
  const status = code === undefined ? response.status : PUBLIC_ERRORS[code].status;
  const headers: Record<string, string> = { 'cloister-authenticated': 'false' };
  for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry', 'x-request-id']) {
    const value = response.headers.get(name);
    if (value !== null && /^[\w.-]{1,64}$/.test(value)) headers[name] = value;
  }
  return Response.json(publicErrorBody(code ?? 'internal_error'), { status, headers });
}

async function readCode(response: Response): Promise<PublicErrorCode | undefined> {
  const reader = response.body?.getReader();
  let text = '';
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) break;
      text += decoder.decode(value, { stream: true });
      if (text.length > ERROR_BODY_BYTES) return undefined;
    }
    const code: unknown = (JSON.parse(text) as { error?: { code?: unknown } }).error?.code;
    if (typeof code !== 'string' || !Object.hasOwn(PUBLIC_ERRORS, code)) return undefined;
    // A code that does not go with the status is a forgery or a bug; neither deserves a sentence of ours.
    return PUBLIC_ERRORS[code as PublicErrorCode].status === response.status
      ? (code as PublicErrorCode)
      : undefined;
  } catch {
    return undefined;
  } finally {
    await reader?.cancel().catch(() => {});
  }
}
