// Registers a node, or takes it out: the two writes of the directory.

import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { LIMIT } from '../../shared/wire/limits.ts';
import type { RegistrationAnswer } from '../../shared/wire/registration.ts';
import { readWithin } from '../gate/limit-body.ts';
import type { Configuration } from '../gate/read-configuration.ts';
import { Refusal } from '../gate/refusal.ts';
import type { LogEvent } from '../log-event.ts';
import type { Pool } from './pool.ts';
import { RegistrationRefused, type VerifiedRegistration, verifyRegistration } from './verify-registration.ts';

/** What both writes need. */
export interface RegistrationContext {
  readonly configuration: Configuration;
  readonly pool: DurableObjectStub<Pool>;
  readonly now: Date;
  readonly randomOctets: (count: number) => Bytes;
  readonly log: LogEvent;
}

const TICKET_KEY_OCTETS = 32;

/**
 * `PUT /directory/nodes/{node}`.
 * @throws Refusal `registration_refused` for every reason, `request_too_large` for the size.
 */
export async function registerNode(
  request: Request,
  node: string,
  context: RegistrationContext,
): Promise<Response> {
  const registration = await verify(request, node, context);
  const answer = await context.pool.register(
    registration,
    context.randomOctets(TICKET_KEY_OCTETS),
    context.now.getTime() / 1000,
  );
  if (answer.outcome === 'replayed') throw refuse('replayed', context);
  context.log({
    event: 'registration_accepted',
    keys: registration.keyDigests.length,
    bundle_bytes: registration.bundle.length,
  });
  const body: RegistrationAnswer = {
    ticket_key: toBase64url(answer.ticketKey),
    expires: answer.expires,
  };
  return Response.json(body, { headers: { 'cache-control': 'no-store' } });
}

/**
 * `DELETE /directory/nodes/{node}` with the body of a registration: the node drains.
 * @throws Refusal as for registration.
 */
export async function removeNode(
  request: Request,
  node: string,
  context: RegistrationContext,
): Promise<Response> {
  const registration = await verify(request, node, context);
  const outcome = await context.pool.remove(registration, context.now.getTime() / 1000);
  if (outcome === 'replayed') throw refuse('replayed', context);
  context.log({ event: 'registration_removed' });
  return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
}

async function verify(
  request: Request,
  node: string,
  context: RegistrationContext,
): Promise<VerifiedRegistration> {
  const body = await readWithin(request, LIMIT.registrationBytes);
  try {
    return await verifyRegistration(body, {
      node,
      audience: context.configuration.origin ?? new URL(request.url).origin,
      attestationKeys: context.configuration.attestationKeys,
      now: context.now,
    });
  } catch (error) {
    if (error instanceof RegistrationRefused) throw refuse(error.reason, context);
    throw error;
  }
}

function refuse(reason: RegistrationRefused['reason'], context: RegistrationContext): Refusal {
  context.log({ event: 'registration_refused', reason });
  return new Refusal('registration_refused');
}
