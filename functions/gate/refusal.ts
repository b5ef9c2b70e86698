// A request that ends here, with one code of the public catalogue.

import { PUBLIC_ERRORS, type PublicErrorCode, publicErrorBody } from '../../shared/wire/public-error.ts';

/** What may go beside the code: public names and headers, never anything that was sent. */
export interface RefusalDetail {
  /** Replaces the catalogue's sentence. */
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with the code's status. Thrown from anywhere below a route. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: PublicErrorCode;
  readonly detail: RefusalDetail;
  constructor(code: PublicErrorCode, detail: RefusalDetail = {}) {
    super(code);
    this.code = code;
    this.detail = detail;
  }
}

/** The OpenAI-shaped answer of a code. */
export function refusalResponse(code: PublicErrorCode, detail: RefusalDetail = {}): Response {
  return Response.json(publicErrorBody(code, detail.message), {
    status: PUBLIC_ERRORS[code].status,
    headers: { 'cache-control': 'no-store', ...detail.headers },
  });
}
