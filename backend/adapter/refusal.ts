// A refusal with a public code. Thrown inside the adapter, turned into an unsealed or a sealed answer at its door.

import { PUBLIC_ERRORS, type PublicErrorCode } from '../../shared/wire/public-error.ts';

/** What a refusal says beyond its code: a limit or a member's name, both public; never what the client sent. */
export interface RefusalDetail {
  /** Takes the place of the catalogue's sentence. */
  readonly message?: string;
  /** The member that is meant, such as `messages[3].content[0].image_url`. */
  readonly param: string;
}

/** The reason is the code; there is no free text that could carry content. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: PublicErrorCode;
  readonly detail: RefusalDetail | undefined;
  constructor(code: PublicErrorCode, detail?: RefusalDetail) {
    super(detail?.message ?? PUBLIC_ERRORS[code].message);
    this.code = code;
    this.detail = detail;
  }
}
