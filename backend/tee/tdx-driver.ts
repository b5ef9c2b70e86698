// Intel TDX on Linux: the quote by configfs-tsm, the collateral from Intel. Not run on hardware yet.

import type { Bytes } from '../../shared/bytes/concat.ts';
import type { EndorsementSource } from './endorsement-source.ts';
import { oneAtATime } from './one-at-a-time.ts';
import type { TeeDriver } from './tee-driver.ts';

/** A driver. Quotes are asked for one after the other: the host's quoting service takes tens of milliseconds for each. */
export function createTdxDriver(options: {
  readonly requestQuote: (reportData: Bytes) => Promise<Bytes>;
  readonly endorsements: EndorsementSource;
}): TeeDriver {
  const { requestQuote, endorsements } = options;
  const queue = oneAtATime();
  return {
    kind: 'tdx',
    assurance: 'hardware',
    attest: ({ reportData }) =>
      queue(async () => {
        const quote = await requestQuote(reportData);
        return { kind: 'tdx', quote, ...(await endorsements.forTdxQuote(quote)) };
      }),
  };
}
