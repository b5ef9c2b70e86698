import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Admission } from '../../../backend/adapter/admission.ts';
import { importTicketKey, makeTicket } from '../../../shared/wire/ticket.ts';

const now = new Date('2026-11-23T12:00:00Z');
const seconds = now.getTime() / 1000;
const octets = new Uint8Array(randomBytes(32));
const ticket = { account: 'acct-1', request: 'req-1', maxRequestBytes: 1000, expires: seconds + 60 };

describe('admission', () => {
  test('takes a ticket that its edge made', async () => {
    const admission = new Admission();
    await admission.renew(octets);
    const text = await makeTicket(await importTicketKey(octets), ticket);
    expect(await admission.check(text, now)).toEqual(ticket);
  });

  test.each([
    ['an absent ticket', async () => undefined],
    ['an empty ticket', async () => ''],
    [
      'a ticket of another edge',
      async () => makeTicket(await importTicketKey(new Uint8Array(randomBytes(32))), ticket),
    ],
    [
      'an expired ticket',
      async () => makeTicket(await importTicketKey(octets), { ...ticket, expires: seconds }),
    ],
    [
      'a ticket with a changed claim',
      async () => swapClaims(await makeTicket(await importTicketKey(octets), ticket)),
    ],
    [
      'a ticket without its mac',
      async () => (await makeTicket(await importTicketKey(octets), ticket)).replace(/\.[^.]*$/, ''),
    ],
  ])('refuses %s with ticket_refused', async (_, make) => {
    const admission = new Admission();
    await admission.renew(octets);
    await expect(admission.check(await make(), now)).rejects.toMatchObject({ code: 'ticket_refused' });
  });

  test('refuses everything before the first registration', async () => {
    const text = await makeTicket(await importTicketKey(octets), ticket);
    await expect(new Admission().check(text, now)).rejects.toMatchObject({ code: 'ticket_refused' });
  });
});

function swapClaims(text: string): string {
  const [version, , mac] = text.split('.');
  const claims = Buffer.from(JSON.stringify({ ...ticket, account: 'acct-2' })).toString('base64url');
  return `${version}.${claims}.${mac}`;
}
