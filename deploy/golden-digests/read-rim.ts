// What a reference file says, read from the octets that were signed: version, product and, by index, the values a GPU may measure.

import type { GoldenBlock } from '../../shared/manifest/gpu-reference-value.ts';
import { attributesOf, childrenOf, decodePlain, expectChildren, parsePlain } from './plain-xml.ts';
import { RimError } from './rim-error.ts';

/** A reference file's content. */
export interface Rim {
  /** As the file has it, in upper case: `550.144.03` or `96.00.5E.00.01`. */
  readonly version: string;
  /** Active measurements, ascending. */
  readonly blocks: readonly GoldenBlock[];
}

// ISO/IEC 19770-2:2015 and the TCG's reference integrity manifests, as NVIDIA fills them in.
const SWID = 'http://standards.iso.org/iso/19770/-2/2015/schema.xsd';
const HASH = 'http://www.w3.org/2001/04/xmlenc#sha384';
const PRODUCT = 'GH100';
const INDICES = 64;
const MAXIMUM_ALTERNATIVES = 32;
const HASH_OCTETS = 48;
const EXPECTED = new Set(
  ['type', 'index', 'active', 'alternatives', 'name', 'size'].map((name) => `{}${name}`),
);
const HASH_NAME = new RegExp(`^\\{${HASH.replaceAll('.', '\\.')}\\}Hash(0|[1-9]\\d?)$`);
const DECIMAL = /^(0|[1-9]\d{0,2})$/;

/**
 * Reads canonical octets of `verifyRimSignature`.
 * @throws RimError `rim_content_malformed`, `rim_product`, `rim_index_twice`, `rim_no_alternative`, `rim_hash_size`.
 */
export function readRim(signed: Uint8Array): Rim {
  const code = 'rim_content_malformed';
  const root = parsePlain(decodePlain(signed));
  if (root.localName !== 'SoftwareIdentity' || root.namespaceURI !== SWID)
    throw new RimError(code, 'another document');
  const [, meta, payload] = expectChildren(root, SWID, ['Entity', 'Meta', 'Payload'], code);
  const about = attributesOf(meta, code);
  // A patch or a supplement changes another file, so that its values alone would be wrong.
  const identity = attributesOf(root, code);
  for (const part of ['corpus', 'patch', 'supplemental'])
    if (identity.get(`{}${part}`) !== 'false') throw new RimError(code, 'not a whole reference file');
  if (
    identity.get('{}name') !== PRODUCT ||
    about.get('{}product') !== PRODUCT ||
    about.get('{}edition') !== 'GPU'
  )
    throw new RimError('rim_product', `not for ${PRODUCT}`);
  const version = about.get('{}colloquialVersion');
  if (version === undefined) throw new RimError(code, 'no version');

  const seen = new Set<number>();
  const blocks: GoldenBlock[] = [];
  for (const resource of childrenOf(payload, code)) {
    if (resource.localName !== 'Resource' || resource.namespaceURI !== SWID || resource.firstChild)
      throw new RimError(code, 'something other than measurements');
    const { index, active, digests } = readMeasurement(attributesOf(resource, code));
    if (seen.has(index)) throw new RimError('rim_index_twice', `index ${index}`);
    seen.add(index);
    // Blocks of a report count from 1, indices from 0.
    if (active) blocks.push({ block: index + 1, digests });
  }
  if (blocks.length === 0) throw new RimError(code, 'nothing is measured');
  return { version: version.toUpperCase(), blocks: blocks.sort((a, b) => a.block - b.block) };
}

function readMeasurement(attributes: ReadonlyMap<string, string>): {
  readonly index: number;
  readonly active: boolean;
  readonly digests: readonly string[];
} {
  const code = 'rim_content_malformed';
  const given = (name: string) => attributes.get(`{}${name}`) ?? '';
  const index = DECIMAL.test(given('index')) ? Number(given('index')) : INDICES;
  if (given('type') !== 'Measurement' || index >= INDICES)
    throw new RimError(code, 'a measurement without its index');
  const active = given('active');
  if (active !== 'True' && active !== 'False')
    throw new RimError(code, `index ${index}: neither active nor not`);

  const hashes = new Map<number, string>();
  for (const [name, value] of attributes) {
    if (EXPECTED.has(name)) continue;
    const number = HASH_NAME.exec(name)?.[1];
    if (number === undefined) throw new RimError(code, `index ${index}: an unknown attribute`);
    hashes.set(Number(number), value);
  }
  const count = DECIMAL.test(given('alternatives')) ? Number(given('alternatives')) : -1;
  if (active === 'True' && (count === 0 || hashes.size === 0))
    throw new RimError('rim_no_alternative', `index ${index}`);
  const all = [...hashes.keys()].sort((a, b) => a - b);
  if (
    count !== hashes.size ||
    count > MAXIMUM_ALTERNATIVES ||
    all.some((number, position) => number !== position)
  )
    throw new RimError(code, `index ${index}: not as many alternatives as it says`);
  const digests = all.map((number) => hashes.get(number) ?? '');
  if (digests.some((digest) => !/^[0-9a-fA-F]*$/.test(digest)))
    throw new RimError(code, `index ${index}: not hex`);
  if (given('size') !== String(HASH_OCTETS) || digests.some(({ length }) => length !== 2 * HASH_OCTETS))
    throw new RimError('rim_hash_size', `index ${index}`);
  return {
    index,
    active: active === 'True',
    digests: [...new Set(digests.map((digest) => digest.toLowerCase()))],
  };
}
