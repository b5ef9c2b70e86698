// Registers this node with its edge by a real call that pushes address and bundle, and keeps the registration alive.

import { SignJWT } from 'jose';
import { fromBase64url, toBase64url } from '../../shared/bytes/base64url.ts';
import { sha256 } from '../../shared/bytes/digest.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { detachBlobs } from '../../shared/wire/bundle-blobs.ts';
import {
  MOST_OTHER_EPOCHS,
  REGISTRATION_TYP,
  type RegistrationAnswer,
  type RegistrationClaims,
  type RegistrationRequest,
} from '../../shared/wire/registration.ts';
import { DIRECTORY_PATH } from '../../shared/wire/routes.ts';
import { NodeRevokedError } from '../attestation-service/appraise.ts';
import type { ReceiptKey } from '../keys/receipt-key.ts';
import type { LogEvent, NodeEvent } from '../node-event.ts';
import type { Affirmation, Affirmations } from './affirm.ts';
import type { Epoch } from './make-epoch.ts';

const FIRST_RETRY_MILLISECONDS = 100;
const LONGEST_RETRY_MILLISECONDS = 10_000;
const CALL_MILLISECONDS = 10_000;
/** A withdrawal must reach a busy edge, and not keep an ending process for long. */
const WITHDRAWAL_MILLISECONDS = 3_000;
/** Renew when this share of the registration's life has passed. */
const RENEW_AT = 1 / 3;
const CLAIMS_LIFE_SECONDS = 60;

/** Who registers where. */
export interface Enrolment {
  /** Origin of the edge. */
  readonly edge: string;
  /** Origin under which the edge reaches this node. */
  readonly address: string;
  /** base64url node id. */
  readonly node: string;
  readonly pool: string;
  readonly models: readonly string[];
  readonly receiptKey: ReceiptKey;
  /** Results of the attestation service, renewed as registrations are. */
  readonly affirmations: Affirmations;
  readonly epoch: () => Epoch;
  /** Pending and stale epochs, whose keys are to stay routable. */
  readonly otherEpochs: () => readonly Epoch[];
  readonly onTicketKey: (octets: Uint8Array<ArrayBuffer>) => Promise<void>;
  readonly now: () => Date;
  readonly log: LogEvent;
}

/**
 * Registers, renews at a third of each registration's life, and backs off from 0.1 s to 10 s while the edge does not take
 * it. `renew()` registers at once (a new epoch). Ends when `signal` aborts, withdrawing the registration: `withdrawn` settles after
 * that, within three seconds, and never rejects.
 */
export function keepRegistered(
  enrolment: Enrolment,
  signal: AbortSignal,
): { renew(): void; readonly withdrawn: Promise<void> } {
  let wake: (() => void) | undefined;
  let renewals = 0;
  const withdrawn = run();
  return {
    withdrawn,
    renew() {
      renewals++;
      wake?.();
    },
  };

  async function run(): Promise<void> {
    let attempt = 0;
    let lastIssuedAt = 0;
    while (!signal.aborted) {
      const seen = renewals;
      // The edge refuses a registration that is not newer than the last, so two in one second are one second apart.
      const issuedAt = Math.max(Math.floor(enrolment.now().getTime() / 1000), lastIssuedAt + 1);
      let waitMilliseconds: number;
      try {
        const answer = await call('PUT', enrolment, issuedAt, signal);
        await enrolment.onTicketKey(fromBase64url(answer.ticket_key));
        lastIssuedAt = issuedAt;
        attempt = 0;
        const secondsLeft = answer.expires - Math.floor(enrolment.now().getTime() / 1000);
        enrolment.log({ event: 'registered', secondsLeft });
        waitMilliseconds = Math.max(1, secondsLeft * RENEW_AT) * 1000;
      } catch (error) {
        attempt++;
        if (!signal.aborted) enrolment.log(describe(error, attempt));
        waitMilliseconds = Math.min(
          LONGEST_RETRY_MILLISECONDS,
          FIRST_RETRY_MILLISECONDS * 2 ** (attempt - 1),
        );
      }
      if (seen === renewals && !signal.aborted) await pause(waitMilliseconds);
    }
    // A withdrawal is a courtesy: without it the registration lapses by itself within its short life.
    await call('DELETE', enrolment, lastIssuedAt + 1, AbortSignal.timeout(WITHDRAWAL_MILLISECONDS)).catch(
      () => {},
    );
  }

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener('abort', done);
      wake = done;
    });
  }
}

function describe(error: unknown, attempt: number): NodeEvent {
  // The service beside us does not vouch for this node: no edge will be asked to list it.
  if (error instanceof VerificationError || error instanceof NodeRevokedError)
    return { event: 'appraisal_refused', code: error.code };
  return {
    event: 'registration_failed',
    status: error instanceof RegistrationError ? error.status : 0,
    attempt,
  };
}

/** The edge did not take a registration; `status` is its HTTP status. */
export class RegistrationError extends Error {
  override readonly name = 'RegistrationError';
  readonly code = 'registration_refused';
  readonly status: number;
  constructor(status: number) {
    super(`the edge answered the registration with status ${status}`);
    this.status = status;
  }
}

async function affirmOthers(
  epochs: readonly Epoch[],
  { affirmations }: Enrolment,
): Promise<readonly (Affirmation & { readonly epoch: Epoch })[]> {
  const affirmed = [];
  for (const epoch of epochs)
    try {
      affirmed.push({ ...(await affirmations.affirm(epoch)), epoch });
    } catch (error) {
      // A stale epoch whose statement has just ended is no longer a route; the current one is judged where it is registered.
      if (!(error instanceof VerificationError)) throw error;
    }
  return affirmed;
}

async function call(
  method: 'PUT' | 'DELETE',
  enrolment: Enrolment,
  issuedAt: number,
  signal: AbortSignal,
): Promise<RegistrationAnswer> {
  const epoch = enrolment.epoch();
  // Read together with the current epoch: a rotation may come in between, and calls for another registration itself.
  const otherEpochs = enrolment.otherEpochs().slice(0, MOST_OTHER_EPOCHS);
  const { result, bundle } = await enrolment.affirmations.affirm(epoch);
  const { document, blobs } = await detachBlobs(bundle);
  const others = await affirmOthers(otherEpochs, enrolment);
  const claims: Omit<RegistrationClaims, 'sub' | 'aud' | 'iat' | 'exp'> = {
    address: enrolment.address,
    pool: enrolment.pool,
    models: enrolment.models,
    core: epoch.coreDigest,
    bundle: toBase64url(await sha256(document)),
    keys: toBase64url(epoch.keyList),
    also: others.map((other) => ({ core: other.epoch.coreDigest, keys: toBase64url(other.epoch.keyList) })),
  };
  const registration = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'EdDSA', typ: REGISTRATION_TYP })
    .setSubject(enrolment.node)
    .setAudience(enrolment.edge)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + CLAIMS_LIFE_SECONDS)
    .sign(enrolment.receiptKey.signer);
  const body: RegistrationRequest = {
    result,
    registration,
    bundle: toBase64url(document),
    blobs: blobs.map(toBase64url),
    also: others.map((other) => other.result),
  };
  const response = await fetch(`${enrolment.edge}${DIRECTORY_PATH}/${enrolment.node}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MILLISECONDS)]),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new RegistrationError(response.status);
  }
  return (method === 'PUT' ? await response.json() : { ticket_key: '', expires: 0 }) as RegistrationAnswer;
}
