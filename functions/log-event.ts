// The closed set of events that the edge logs: numbers and known words, nothing that anybody sent.

import type { PublicErrorCode } from '../shared/wire/public-error.ts';
import type { ConfigurationVariable } from './gate/read-configuration.ts';

/** Why a registration was refused. Strangers see `registration_refused` and no reason. */
export type RegistrationRefusal =
  | 'body_malformed'
  | 'result_malformed'
  | 'result_signature'
  | 'result_expired'
  | 'result_claims'
  | 'result_not_affirming'
  | 'registration_signature'
  | 'registration_claims'
  | 'registration_audience'
  | 'registration_expired'
  | 'registration_lifetime'
  | 'subject_mismatch'
  | 'core_mismatch'
  | 'bundle_mismatch'
  | 'keys_mismatch'
  | 'keys_malformed'
  | 'address_not_allowed'
  | 'replayed';

/** The rooms of the edge that a request can end in. */
export type RouteName = 'gateway' | 'inference' | 'directory' | 'models' | 'health' | 'other';

export type EdgeEvent =
  | {
      readonly event: 'request';
      readonly route: RouteName;
      readonly status: number;
      readonly milliseconds: number;
    }
  | { readonly event: 'refused'; readonly route: RouteName; readonly code: PublicErrorCode }
  | { readonly event: 'configuration_refused'; readonly variable: ConfigurationVariable }
  | { readonly event: 'registration_accepted'; readonly keys: number; readonly bundle_bytes: number }
  | { readonly event: 'registration_refused'; readonly reason: RegistrationRefusal }
  | { readonly event: 'registration_removed' }
  | { readonly event: 'routes_refreshed'; readonly nodes: number }
  | { readonly event: 'unexpected_failure'; readonly route: RouteName };

/** Takes one event. */
export type LogEvent = (event: EdgeEvent) => void;
