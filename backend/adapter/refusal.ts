// A refusal with a public code. Thrown inside the adapter, turned into an unsealed or a sealed answer at its door.

import { PUBLIC_ERRORS, type PublicErrorCode } from '../../shared/wire/public-error.ts';

/** The reason is the code; there is no free text that could carry content. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: PublicErrorCode;
  constructor(code: PublicErrorCode) {
    super(PUBLIC_ERRORS[code].message);
    this.code = code;
  }
}
