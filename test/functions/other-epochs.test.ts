// The keys that a node opens and does not offer: routes, each under a result of its own, and listed nowhere.

import { reset, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it } from 'vitest';
import { Pool } from '../../functions/directory/pool.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import { concat } from '../../shared/bytes/concat.ts';
import { splitKeyList } from '../../shared/wire/key-list.ts';
import { DIRECTORY_PATH, GATEWAY_PATH } from '../../shared/wire/routes.ts';
import { SCRIPT } from '../harness/script.ts';
import { type EdgeFixture, keyDigest, makeKeyPair, type NodeScript, startEdge } from './edge-fixture.ts';

afterEach(reset);

const BODY = (keyId: number) => new Uint8Array([keyId, SCRIPT.echo, 0, 0]);

/** A node with an epoch on offer and a stale one; `bend` changes what it says of the stale one. */
async function twoEpochs(
  edge: EdgeFixture,
  bend: (stale: NodeScript) => Partial<NodeScript> | Promise<Partial<NodeScript>> = () => ({}),
  claims: { core?: string; keys?: string } = {},
) {
  const node = await edge.makeNode([1]);
  const sound: NodeScript = {
    ...node,
    keyList: (await edge.makeNode([9])).keyList,
    core: toBase64url(crypto.getRandomValues(new Uint8Array(32))),
  };
  const stale = { ...sound, ...(await bend(sound)) };
  const { result } = await edge.registrationBody(stale);
  const script: NodeScript = {
    ...node,
    registration: { also: [{ core: stale.core, keys: toBase64url(sound.keyList), ...claims }] },
    body: { also: [result] },
  };
  return { node, stale: sound, script };
}

describe('a stale epoch', () => {
  it('stays a route by digest and by key id, and is offered to nobody', async () => {
    const edge = await startEdge();
    const { node, stale, script } = await twoEpochs(edge);
    await edge.register(script);
    const staleDigest = await keyDigest(stale.keyList);
    expect((await edge.post(BODY(9), { 'cloister-key': staleDigest })).status).toBe(200);
    expect((await edge.post(BODY(9))).status).toBe(200);
    expect((await edge.post(BODY(1), { 'cloister-key': await keyDigest(node.keyList) })).status).toBe(200);
    const listing = await (await edge.fetch(DIRECTORY_PATH)).json<{ nodes: { keys: string[] }[] }>();
    expect(listing.nodes[0]?.keys).toEqual([await keyDigest(node.keyList)]);
    const list = await (await edge.fetch(GATEWAY_PATH)).arrayBuffer();
    expect(splitKeyList(new Uint8Array(list)).map(({ keyId }) => keyId)).toEqual([1]);
  });

  it('is no route once a registration does not name it any more', async () => {
    const edge = await startEdge();
    const { node, stale, script } = await twoEpochs(edge);
    await edge.register(script);
    await edge.register(node);
    const response = await edge.post(BODY(9), { 'cloister-key': await keyDigest(stale.keyList) });
    expect((await response.json<{ error: { code: string } }>()).error.code).toBe('key_unknown');
  });

  it('yields its key id to a node that offers it', async () => {
    const edge = await startEdge();
    const { script } = await twoEpochs(edge);
    await edge.register(script);
    const other = await edge.makeNode([9], { address: 'http://127.0.0.1:9' });
    await edge.register(other);
    expect((await edge.post(BODY(9))).status).toBe(502);
  });

  it('keeps the registration no longer than its own result', async () => {
    const edge = await startEdge();
    const exp = Math.floor(edge.now.getTime() / 1000) + 40;
    const { script } = await twoEpochs(edge, () => ({ result: { exp } }));
    expect((await edge.register(script)).expires).toBe(exp);
  });

  it.each<[string, string, Parameters<typeof twoEpochs>[1], Parameters<typeof twoEpochs>[2]]>([
    [
      'keys that its result does not name',
      'keys_mismatch',
      (stale) => ({ keyList: concat(stale.keyList, stale.keyList) }),
      {},
    ],
    ['a core that its result does not name', 'core_mismatch', undefined, { core: 'A'.repeat(43) }],
    [
      'another node',
      'subject_mismatch',
      () => ({ result: { sub: toBase64url(crypto.getRandomValues(new Uint8Array(16))) } }),
      {},
    ],
    ['another key of the node', 'subject_mismatch', async () => ({ signer: await makeKeyPair() }), {}],
    ['a result by nobody', 'result_signature', async () => ({ attester: await makeKeyPair() }), {}],
    [
      'a result that does not affirm',
      'result_not_affirming',
      () => ({ result: { submods: { cpu: { ear_status: 'warning' } } } }),
      {},
    ],
    ['keys that are no list', 'keys_mismatch', undefined, { keys: 'AAAA' }],
  ])('with %s is refused', async (_, reason, bend, claims) => {
    const edge = await startEdge();
    const { script } = await twoEpochs(edge, bend, claims);
    expect((await edge.put(script)).status).toBe(403);
    expect(edge.refusalReason).toBe(reason);
  });

  it('without a result, or one of more than four, is refused', async () => {
    const edge = await startEdge();
    const { script } = await twoEpochs(edge);
    expect((await edge.put({ ...script, body: { also: [] } })).status).toBe(403);
    expect(edge.refusalReason).toBe('core_mismatch');
    const [result] = (script.body as { also: string[] }).also;
    expect((await edge.put({ ...script, body: { also: Array(5).fill(result) } })).status).toBe(403);
    expect(edge.refusalReason).toBe('body_malformed');
  });
});

it('a store of the first version is taken over, with its nodes', async () => {
  const edge = await startEdge();
  const node = await edge.makeNode([1]);
  await edge.register(node);
  await runInDurableObject(env.POOL.getByName('pool'), (_, state) => {
    state.storage.sql.exec('ALTER TABLE node DROP COLUMN other_key_list');
    state.storage.sql.exec('ALTER TABLE node DROP COLUMN other_key_digests');
    state.storage.sql.exec('DROP TABLE blob');
    state.storage.sql.exec('UPDATE schema_version SET version = 1');
    const [kept] = new Pool(state, env).list(edge.now.getTime() / 1000);
    expect(kept?.node).toBe(node.node);
    expect([kept?.otherKeyList, kept?.otherKeyDigests]).toEqual([new Uint8Array(0), []]);
  });
});
