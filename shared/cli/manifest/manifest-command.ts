// `cloister manifest …`: owners make, sign, compare, check and publish manifests; nothing here needs a network.

import { stat, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { parseManifest } from '../../manifest/manifest.ts';
import { diffManifests } from '../../manifest/manifest-diff.ts';
import {
  judgeOwnThreshold,
  openManifest,
  type SignedManifest,
  verifyHistory,
} from '../../manifest/manifest-history.ts';
import {
  addSignature,
  encodeSignatures,
  noSignatures,
  parseSignatures,
  signersAmong,
} from '../../manifest/manifest-signatures.ts';
import type { Policy } from '../../verifier/policy.ts';
import { ManifestRefused, UsageError } from '../exit-code.ts';
import type { Terminal } from '../terminal.ts';
import { makeManifest, readHolder, readJsonObject, toDraft } from './make-manifest.ts';
import { publishManifest, readSigned, readVersions, replace, signaturesPathOf } from './manifest-folder.ts';
import { createOwnerKey, fingerprint, readOwnerKey } from './owner-key.ts';
import {
  historyToJson,
  manifestToJson,
  showChanges,
  showHistory,
  showManifest,
  showProblems,
} from './report-manifest.ts';

export const MANIFEST_USAGE = `cloister manifest: say what a service may run, sign it, publish it (docs/manifest.md)

examples
  cloister manifest key new alice.key.json --name alice > alice.json
  cloister manifest new draft.json --service chat.example --owner alice.json --owner bob.json --threshold 2 --out manifest.json
  cloister manifest sign manifest.json --key alice.key.json
  cloister manifest set manifest.json --folder /srv/cloister/manifest

commands
  key new FILE --name NAME   make an Ed25519 key; FILE is yours alone (0600) and never replaced; the public half on stdout
  key show FILE              the public half
  new DRAFT --out FILE       make a manifest; computes version, previous and end, refuses what is not complete
    --after MANIFEST           the version before: what DRAFT leaves out stays as it is there
    --service NAME             what it is about; the same for all versions
    --owner JSON|FILE          an owner, as often as there are owners; replaces those of draft and version before
    --threshold N              how many of them must sign
    --days N                   ends after so many days (default 90)
  sign MANIFEST --key FILE   add your signature, on any machine, in any order; shows every change first
    --after MANIFEST           the version before: needed where you are an owner of it alone, and for the changes
  diff OLD NEW               every change in words; what got weaker comes first
  verify MANIFEST            signatures, threshold, end; with --after also whether it may follow
    --after MANIFEST
  history FOLDER|MANIFEST…   the whole chain from its first version
  show MANIFEST              what it says and who signed; --draft: as a draft for \`new\`
  set MANIFEST --folder DIR  publish: only what enough owners signed and what may follow the version that is there.
                             The node that reads DIR/manifest.json takes it at its next start, or on SIGHUP
  policy MANIFEST            a policy that pins its owners (--pin owners, default) or its digest (--pin digest)

Signatures lie beside MANIFEST, in NAME.signatures.json. Every command takes --json.

exit codes
  0 ok, 1 error, 2 usage, 4 a signature or a document does not hold, 5 genuine, but not enough owners, expired, or not what may follow`;

const DEFAULT_DAYS = 90;

/** Where the command writes, and the time. */
export interface ManifestContext {
  readonly terminal: Terminal;
  readonly now: Date;
}

type Values = ReturnType<typeof read>['values'];

/** Runs one of the commands above. @throws UsageError, ManifestError, OwnerKeyError, PublicationRefused, ManifestRefused. */
export async function manifestCommand(words: readonly string[], context: ManifestContext): Promise<void> {
  const { values, positionals } = read(words);
  const [verb, ...rest] = positionals;
  if (values.help || verb === undefined) {
    if (verb === undefined && !values.help) throw new UsageError('name a command: cloister manifest --help');
    return context.terminal.data(MANIFEST_USAGE);
  }
  switch (verb) {
    case 'key':
      return key(rest, values, context);
    case 'new':
      return make(one(rest, 'a draft'), values, context);
    case 'sign':
      return sign(one(rest, 'a manifest'), values, context);
    case 'diff':
      return diff(rest, values, context);
    case 'verify':
      return verify(one(rest, 'a manifest'), values, context);
    case 'history':
      return history(rest, values, context);
    case 'show':
      return show(one(rest, 'a manifest'), values, context);
    case 'set':
      return set(one(rest, 'a manifest'), values, context);
    case 'policy':
      return policy(one(rest, 'a manifest'), values, context);
    default:
      throw new UsageError(`there is no command manifest ${verb}`);
  }
}

function read(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        after: { type: 'string' },
        days: { type: 'string' },
        draft: { type: 'boolean' },
        folder: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        json: { type: 'boolean' },
        key: { type: 'string' },
        name: { type: 'string' },
        out: { type: 'string' },
        owner: { type: 'string', multiple: true },
        pin: { type: 'string' },
        service: { type: 'string' },
        threshold: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unknown option');
  }
}

function one(rest: readonly string[], what: string): string {
  const [only, ...more] = rest;
  if (only === undefined) throw new UsageError(`name ${what}`);
  if (more.length > 0) throw new UsageError(`too many arguments: ${more.join(' ')}`);
  return only;
}

function need(value: string | undefined, option: string): string {
  if (value === undefined) throw new UsageError(`${option} is missing`);
  return value;
}

function readNumber(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text)) throw new UsageError(`${option} takes a number`);
  return Number(text);
}

/** @throws UsageError when there is no such file. */
async function readNamed(path: string): Promise<SignedManifest> {
  try {
    return await readSigned(path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    throw new UsageError(`there is no file ${path}`);
  }
}

async function key(rest: readonly string[], values: Values, { terminal }: ManifestContext): Promise<void> {
  const [verb, ...files] = rest;
  const path = one(files, 'a key file');
  if (verb !== 'new' && verb !== 'show')
    throw new UsageError('manifest key new FILE, or manifest key show FILE');
  const { name, ed25519 } =
    verb === 'new' ? await createOwnerKey(path, need(values.name, '--name')) : await readOwnerKey(path);
  terminal.data(JSON.stringify({ name, ed25519 }));
  terminal.message(
    `fingerprint ${await fingerprint(ed25519)}; compare it by another way than the one the key takes`,
  );
}

async function make(draft: string, values: Values, { terminal, now }: ManifestContext): Promise<void> {
  const out = need(values.out, '--out');
  const manifest = await makeManifest(await readJsonObject(draft), {
    after: values.after === undefined ? undefined : (await readNamed(values.after)).manifest,
    service: values.service,
    owners: values.owner && (await Promise.all(values.owner.map(readHolder))),
    threshold: readNumber(values.threshold, '--threshold'),
    days: readNumber(values.days, '--days') ?? DEFAULT_DAYS,
    now,
  });
  try {
    await writeFile(out, manifest, { flag: 'wx' });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
    throw new UsageError(`${out} exists already: signed octets are never replaced in place`);
  }
  const opened = await openManifest({ manifest: new Uint8Array(manifest) });
  if (values.json) terminal.data(JSON.stringify(manifestToJson(opened)));
  else showManifest(opened, terminal);
}

async function sign(path: string, values: Values, { terminal }: ManifestContext): Promise<void> {
  const owner = await readOwnerKey(need(values.key, '--key'));
  const { manifest, signatures } = await readNamed(path);
  const opened = await openManifest({ manifest, signatures });
  const before = values.after === undefined ? undefined : await openManifest(await readNamed(values.after));
  const owns = (holders: { readonly ed25519: string }[]) =>
    holders.some(({ ed25519 }) => ed25519 === owner.ed25519);
  if (!owns([...opened.manifest.owners, ...(before?.manifest.owners ?? [])]))
    throw new UsageError(
      `${owner.name} is no owner of this manifest; an owner of the version before names it with --after`,
    );
  if (before) {
    if (before.digest !== opened.manifest.previous)
      throw new ManifestRefused(`${values.after} is not the version before this one`);
    if (!values.json) showChanges(diffManifests(before.manifest, opened.manifest), terminal);
  }
  const document = signatures === undefined ? await noSignatures(manifest) : parseSignatures(signatures);
  const signed = await addSignature(document, manifest, owner.ed25519, owner.sign);
  const octets = encodeSignatures(signed);
  await openManifest({ manifest, signatures: octets });
  await replace(signaturesPathOf(path), octets);
  const signers = new Set(signed.signatures.map((each) => each.key));
  const { owners, threshold } = opened.manifest;
  const count = signersAmong(owners, signers);
  if (values.json) terminal.data(JSON.stringify(manifestToJson({ ...opened, signers })));
  else terminal.data(`${owner.name} signed ${opened.digest}`);
  const left = before && signersAmong(before.manifest.owners, signers);
  terminal.message(
    `${count} of ${owners.length} owners signed, ${threshold} must` +
      (before
        ? `; of the version before ${left} of ${before.manifest.owners.length}, ${before.manifest.threshold} must`
        : ''),
  );
}

async function diff(rest: readonly string[], values: Values, { terminal }: ManifestContext): Promise<void> {
  const [before, after, ...more] = rest;
  if (before === undefined || after === undefined || more.length > 0)
    throw new UsageError('manifest diff OLD NEW');
  const [left, right] = await Promise.all(
    [before, after].map(async (path) => parseManifest((await readNamed(path)).manifest)),
  );
  if (left === undefined || right === undefined) return;
  const changes = diffManifests(left, right);
  if (values.json) terminal.data(JSON.stringify(changes));
  else showChanges(changes, terminal);
}

async function verify(path: string, values: Values, { terminal, now }: ManifestContext): Promise<void> {
  const signed = await readNamed(path);
  // Throws where anything does not hold, before anything is said about who may follow whom.
  const opened = await openManifest(signed);
  const before = values.after === undefined ? [] : [await readNamed(values.after)];
  const verdict = await verifyHistory([...before, signed], {
    from: before.length === 0 && opened.manifest.serial === 1 ? 'first' : 'trusted',
    now,
  });
  if (values.json) terminal.data(JSON.stringify(historyToJson(verdict, now)));
  else {
    showManifest(opened, terminal);
    showProblems(
      verdict.entries.flatMap(({ problems }) => problems),
      terminal,
    );
  }
  if (!verdict.ok) throw new ManifestRefused('refused');
  if (before.length === 0 && opened.manifest.serial > 1)
    terminal.message('whether it follows the version before was not checked: name that with --after');
}

async function history(
  rest: readonly string[],
  values: Values,
  { terminal, now }: ManifestContext,
): Promise<void> {
  const [first, ...more] = rest;
  if (first === undefined) throw new UsageError('name a folder, or every manifest from the first on');
  const isFolder = more.length === 0 && (await stat(first).catch(() => undefined))?.isDirectory() === true;
  const versions = isFolder ? await readVersions(first) : await Promise.all(rest.map(readNamed));
  if (versions.length === 0) throw new UsageError(`no version is published in ${first}`);
  const verdict = await verifyHistory(versions, { from: 'first', now });
  if (values.json) terminal.data(JSON.stringify(historyToJson(verdict, now)));
  else showHistory(verdict, terminal);
  if (!verdict.ok) throw new ManifestRefused('the history does not hold');
}

async function show(path: string, values: Values, { terminal }: ManifestContext): Promise<void> {
  const opened = await openManifest(await readNamed(path));
  if (values.draft) terminal.data(JSON.stringify(toDraft(opened.manifest), null, 2));
  else if (values.json) terminal.data(JSON.stringify(manifestToJson(opened)));
  else showManifest(opened, terminal);
}

async function set(path: string, values: Values, { terminal, now }: ManifestContext): Promise<void> {
  const folder = need(values.folder, '--folder');
  const signed = await readNamed(path);
  const opened = await openManifest(signed);
  if (now > new Date(opened.manifest.not_after))
    throw new ManifestRefused(`the manifest has ended: ${opened.manifest.not_after}`);
  await publishManifest(folder, signed);
  const { service, serial } = opened.manifest;
  if (values.json) terminal.data(JSON.stringify({ service, serial, digest: opened.digest, folder }));
  else terminal.data(`published ${service}, version ${serial}: ${opened.digest}`);
  terminal.message('a node that runs takes it on SIGHUP; clients see it with their next verification');
}

async function policy(path: string, values: Values, { terminal }: ManifestContext): Promise<void> {
  const pin = values.pin ?? 'owners';
  if (pin !== 'owners' && pin !== 'digest') throw new UsageError('--pin takes owners or digest');
  const opened = await openManifest(await readNamed(path));
  const { service, owners, threshold, serial } = opened.manifest;
  if (pin === 'owners' && judgeOwnThreshold(opened).length > 0)
    throw new ManifestRefused('too few of its owners signed this manifest: pin nobody by it');
  if (pin === 'owners' && owners.length === 0)
    throw new UsageError('the manifest is immutable, it has no owners: --pin digest');
  const made: Policy = {
    version: 1,
    manifest:
      pin === 'digest'
        ? { pin, digest: opened.digest }
        : {
            pin,
            service,
            owners: owners.map(({ ed25519 }) => ed25519),
            threshold,
            minimum_serial: serial,
            notice: 'none',
          },
    roots: { hardware: true, simulated: [] },
    require_post_quantum: true,
    require_result: opened.manifest.attestation_service === 'required',
    accept_milan: false,
  };
  terminal.data(JSON.stringify(made, null, 2));
}
