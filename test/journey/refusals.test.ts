// Nodes that must not be trusted, handed out by an edge that lies: refused with the right code, and nothing is sent.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SIMULATED_FAULTS, type SimulatedFault } from '../../backend/tee/simulated/faults.ts';
import type { OwnerFiles } from '../../deploy/local/owner-files.ts';
import { toBase64url } from '../../shared/bytes/base64url.ts';
import type { Bytes } from '../../shared/bytes/concat.ts';
import { createCloister } from '../../shared/client/create-cloister.ts';
import { encodeBundle, parseBundle } from '../../shared/evidence/bundle.ts';
import { encodeCore, parseCore } from '../../shared/evidence/node-core.ts';
import { encodeStatement, parseStatement } from '../../shared/evidence/node-statement.ts';
import type { Policy } from '../../shared/verifier/policy.ts';
import { VerificationError } from '../../shared/verifier/verification-error.ts';
import { type DescribedNode, describeNode, startHostileEdge } from '../harness/hostile-edge.ts';
import { MODEL, startWholeSystem, writeTinyOwnerFiles } from '../harness/whole-system.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let folder: string;
let owner: OwnerFiles;
let honest: DescribedNode;
let stranger: DescribedNode;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-refusals-'));
  owner = await writeTinyOwnerFiles(folder, new Date());
  [honest, stranger] = await Promise.all([describeNode(owner), describeNode(owner)]);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A client of an edge that hands out this bundle under the honest node's name. */
function clientOf(bundle: Bytes, over: { policy?: Policy; now?: () => Date; answer?: () => Response } = {}) {
  const { policy = owner.policy, now, answer } = over;
  const edge = startHostileEdge(new Map([[honest.id, bundle]]), answer);
  const cloister = createCloister({
    baseURL: 'http://127.0.0.1:9',
    apiKey: 'sk-test',
    policy,
    fetch: edge.fetch,
    ...(now && { now }),
  });
  return { edge, cloister };
}

type Client = ReturnType<typeof clientOf>;

const prompt = { model: MODEL, messages: [{ role: 'user' as const, content: 'A secret.' }] };
const ask = ({ cloister }: Client): Promise<Response> =>
  cloister.fetch(`${cloister.baseURL}/chat/completions`, { method: 'POST', body: JSON.stringify(prompt) });

/** Refused with exactly this code, through `fetch` and through the openai package; nothing was sent. */
async function expectRefusal(client: Client, code: string): Promise<void> {
  await expect(ask(client)).rejects.toSatisfy(
    (error: unknown) => error instanceof VerificationError && error.code === code,
    code,
  );
  const { cloister, edge } = client;
  const openai = new OpenAI({
    baseURL: cloister.baseURL,
    apiKey: 'unused',
    fetch: cloister.fetch,
    maxRetries: 0,
  });
  const failure = await openai.chat.completions.create(prompt).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ cause: { code } });
  expect(edge.asked.length).toBeGreaterThan(0);
  expect(edge.asked.filter((line) => !line.startsWith('GET '))).toEqual([]);
  expect(cloister.node).toBeUndefined();
}

test('an honest node is not refused: what follows is not refused for nothing', async () => {
  const { cloister } = clientOf(honest.bundle);
  const node = await cloister.verify();
  expect(node.key.coreDigest).toBe(honest.coreDigest);
  expect(node.key.assurance).toBe('simulated');
});

describe('a node whose evidence is not what the manifest names', () => {
  test.each(Object.entries(SIMULATED_FAULTS).map(([name, { refusedWith }]) => [name, refusedWith] as const))(
    '%s: %s',
    async (name, code) => {
      const { bundle } = await describeNode(owner, { fault: name as SimulatedFault });
      await expectRefusal(clientOf(bundle), code);
    },
  );
});

describe('a directory that hands out something else', () => {
  test('the keys in the core replaced by its own: evidence_binding', async () => {
    const parts = parseBundle(honest.bundle);
    const statement = parseStatement(parts.node.statement);
    const core = encodeCore({ ...parseCore(statement.core), ohttpKeys: stranger.keyList });
    const forged = encodeStatement({ ...statement, core });
    const bundle = encodeBundle({ ...parts, node: { ...parts.node, statement: forged } });
    await expectRefusal(clientOf(bundle), 'evidence_binding');
  });

  test('another node’s statement in front of this evidence: evidence_binding', async () => {
    const parts = parseBundle(honest.bundle);
    const { statement } = parseBundle(stranger.bundle).node;
    const bundle = encodeBundle({ ...parts, node: { ...parts.node, statement } });
    await expectRefusal(clientOf(bundle), 'evidence_binding');
  });

  test('a node of somebody else’s deployment: policy_manifest_owners', async () => {
    const elsewhere = await mkdtemp(join(folder, 'elsewhere-'));
    const theirs = await writeTinyOwnerFiles(elsewhere, new Date(Date.now() - DAY));
    const { bundle } = await describeNode(theirs);
    await expectRefusal(clientOf(bundle), 'policy_manifest_owners');
  });

  test('somebody else’s manifest in front of this node: evidence_manifest_signature', async () => {
    const elsewhere = await mkdtemp(join(folder, 'elsewhere-'));
    const theirs = await writeTinyOwnerFiles(elsewhere, new Date(Date.now() - DAY));
    const { manifest } = parseBundle((await describeNode(theirs)).bundle);
    const bundle = encodeBundle({ ...parseBundle(honest.bundle), manifest });
    await expectRefusal(clientOf(bundle), 'evidence_manifest_signature');
  });

  // It is genuine and of the pinned manifest: whoever names it wrongly gains nothing, because the request is sealed to it alone.
  test('a sound sibling under another name: the client holds the sibling’s own key', async () => {
    const { cloister } = clientOf(stranger.bundle);
    const { key } = await cloister.verify();
    expect(key.node).toBe(stranger.id);
    expect(key.ohttpKeys).toEqual(stranger.keyList);
  });
});

describe('time', () => {
  test('a statement that has ended: evidence_statement_not_valid_now', async () => {
    const client = clientOf(honest.bundle, { now: () => new Date(Date.now() + 3 * HOUR) });
    await expectRefusal(client, 'evidence_statement_not_valid_now');
  });

  test('a statement that has not begun: evidence_statement_not_valid_now', async () => {
    const client = clientOf(honest.bundle, { now: () => new Date(Date.now() - HOUR) });
    await expectRefusal(client, 'evidence_statement_not_valid_now');
  });

  test('a manifest that has expired, though the statement is fresh: policy_manifest_expired', async () => {
    const now = new Date(Date.now() + 31 * DAY);
    const { bundle } = await describeNode(owner, { now });
    await expectRefusal(clientOf(bundle, { now: () => now }), 'policy_manifest_expired');
  });
});

describe('a policy that does not fit', () => {
  test('another pin: policy_manifest_pin', async () => {
    const digest = toBase64url(new Uint8Array(32));
    const policy: Policy = { ...owner.policy, manifest: { pin: 'digest', digest } };
    await expectRefusal(clientOf(honest.bundle, { policy }), 'policy_manifest_pin');
  });

  test('hardware only: a simulated node is no hardware', async () => {
    const policy: Policy = { ...owner.policy, roots: { hardware: true, simulated: [] } };
    await expectRefusal(clientOf(honest.bundle, { policy }), 'evidence_root_unknown');
  });

  test('another simulator’s root', async () => {
    const policy: Policy = { ...owner.policy, roots: { hardware: false, simulated: ['ab'.repeat(32)] } };
    await expectRefusal(clientOf(honest.bundle, { policy }), 'evidence_root_unknown');
  });
});

describe('an edge that answers by itself', () => {
  test('in the clear, as if it were the model: unsealed_response, and its text is not read', async () => {
    const text = JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Trust me.' } }] });
    const answer = () => new Response(text, { headers: { 'content-type': 'application/json' } });
    await expect(ask(clientOf(honest.bundle, { answer }))).rejects.toMatchObject({
      code: 'unsealed_response',
    });
  });

  test('with octets that look sealed: response_corrupted', async () => {
    const octets = crypto.getRandomValues(new Uint8Array(400)).fill(20, 32, 33);
    const answer = () => new Response(octets, { headers: { 'content-type': 'message/ohttp-chunked-res' } });
    await expect(ask(clientOf(honest.bundle, { answer }))).rejects.toMatchObject({
      code: 'response_corrupted',
    });
  });

  test('with an error of its own: its words are not passed on', async () => {
    const error = { message: 'Send it to me unsealed.', code: 'invalid_api_key' };
    const answer = () => Response.json({ error }, { status: 401 });
    const response = await ask(clientOf(honest.bundle, { answer }));
    expect(response.status).toBe(401);
    expect(response.headers.get('cloister-authenticated')).toBe('false');
    const text = await response.text();
    expect(text).toContain('invalid_api_key');
    expect(text).not.toContain('unsealed.');
  });
});

test('an honest attestation service refuses to vouch for such a node: no edge lists it, no client sends', async () => {
  const system = await startWholeSystem({ nodes: 1, faults: ['debug'] });
  try {
    expect(system.nodes[0]?.events).toContainEqual({ event: 'appraisal_refused', code: 'policy_debug' });
    expect(await (await fetch(`${system.origin}/directory/nodes`)).json()).toEqual({ nodes: [] });
    const cloister = system.client();
    await expect(cloister.fetch(`${cloister.baseURL}/models`)).rejects.toMatchObject({
      code: 'no_node_available',
    });
    expect(system.front.count('PUT')).toBe(0);
    expect(system.front.count('POST')).toBe(0);
  } finally {
    await system.stop();
  }
}, 60_000);
