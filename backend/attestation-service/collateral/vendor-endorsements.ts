// The vendors' own services as the source of endorsements: fetched, cached, and stapled to the evidence by whoever asks.

import { EvidenceError } from '../../../shared/evidence/evidence-error.ts';
import type { EndorsementSource } from '../../tee/endorsement-source.ts';
import { TeeError } from '../../tee/tee-driver.ts';
import { fetchAmdEndorsements } from './amd-endorsements.ts';
import { CollateralCache } from './collateral-cache.ts';
import { CollateralFetcher, CollateralUnavailableError, type FetcherParts } from './collateral-fetcher.ts';
import { fetchIntelCollateral, type IntelOrigins } from './intel-collateral.ts';

/** Where vendors serve. */
export interface VendorOrigins {
  readonly amd: string;
  readonly intel: IntelOrigins;
}

export const VENDOR_ORIGINS: VendorOrigins = {
  amd: 'https://kdsintf.amd.com',
  intel: {
    service: 'https://api.trustedservices.intel.com',
    certificates: 'https://certificates.trustedservices.intel.com',
  },
};

/** A source that asks the vendors. `folder` keeps what they said over restarts; absent: memory only. */
export function vendorEndorsements(
  options: Pick<FetcherParts, 'fetch' | 'now' | 'sleep'> & {
    readonly folder: string | undefined;
    /** Default: the vendors' own. */
    readonly origins?: VendorOrigins;
  },
): EndorsementSource {
  const { folder, origins = VENDOR_ORIGINS, ...runtime } = options;
  const { amd, intel } = origins;
  const fetcher = new CollateralFetcher({
    ...runtime,
    origins: [amd, intel.service, intel.certificates],
    cache: new CollateralCache(folder),
  });
  return {
    forSnpReport: (report, offered) => asTeeError(fetchAmdEndorsements(fetcher, amd, report, offered)),
    forTdxQuote: (quote) => asTeeError(fetchIntelCollateral(fetcher, intel, quote)),
  };
}

async function asTeeError<T>(fetching: Promise<T>): Promise<T> {
  try {
    return await fetching;
  } catch (cause) {
    if (!(cause instanceof CollateralUnavailableError || cause instanceof EvidenceError)) throw cause;
    throw new TeeError('tee_endorsements_unavailable', cause.message, { cause });
  }
}
