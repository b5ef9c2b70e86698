// What changed between two manifests, as a list of changes with their paths, in words, and which of them ask less than before.

import { type Deployment, parseDeployment } from './deployment.ts';
import { deploymentOctets, type Manifest } from './manifest.ts';
import { type Effect, judgeChange } from './manifest-effect.ts';

/** A value as it stands in JSON; absent is undefined. */
export type JsonValue =
  | undefined
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** One change. */
export interface ManifestChange {
  /** Such as `reference_values.worker[0].minimum_tcb[family 25, model 17, stepping 1].microcode`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly before?: JsonValue;
  readonly after?: JsonValue;
  /**
   * `weaker`: something is accepted that was not before, or fewer have to agree. `stronger`: the contrary. `neutral`: expected with every
   * version. `unclear`: nobody wrote down what it means; read it.
   */
  readonly effect: Effect;
  /** One line for people. */
  readonly words: string;
}

/** Every change from one manifest to another; empty exactly when both say the same. Deployments are compared by what is in them. */
export function diffManifests(before: Manifest, after: Manifest): readonly ManifestChange[] {
  const changes: ManifestChange[] = [];
  compare('', [], readable(before), readable(after), changes);
  return changes;
}

// Deployments are carried as octets; what is inside is what changes.
function readable(manifest: Manifest): JsonValue {
  const deployments = manifest.deployments.map((entry): { name: string; document: Deployment } => ({
    name: entry.name,
    document: parseDeployment(deploymentOctets(entry)),
  }));
  return JSON.parse(JSON.stringify({ ...manifest, deployments })) as JsonValue;
}

/** `names`: the path as member names, with `*` for every item of a list, as the table of effects has them. */
function compare(
  path: string,
  names: readonly string[],
  before: JsonValue,
  after: JsonValue,
  changes: ManifestChange[],
): void {
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  if (Array.isArray(before) && Array.isArray(after)) compareLists(path, names, before, after, changes);
  else if (isObject(before) && isObject(after))
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const member = path === '' ? name : `${path}.${name}`;
      compare(member, [...names, name], before[name], after[name], changes);
    }
  else add(path, names, before, after, changes);
}

// Lists here are sets: the order of measurements or owners says nothing.
function compareLists(
  path: string,
  names: readonly string[],
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  changes: ManifestChange[],
): void {
  const item = [...names, '*'];
  for (const [label, left, right] of pair(before, after))
    compare(`${path}[${label}]`, item, left, right, changes);
}

type Pair = readonly [label: string, before: JsonValue, after: JsonValue];

/** Which item became which: by name, key or value; sets of expectations, which have none, in their order within a kind of TEE. */
function* pair(before: readonly JsonValue[], after: readonly JsonValue[]): Generator<Pair> {
  const known = new Set(before.map((item) => JSON.stringify(item)));
  const fresh = new Set(after.map((item) => JSON.stringify(item)));
  const rest = after
    .map((item, index) => ({ item, index }))
    .filter(({ item }) => !known.has(JSON.stringify(item)));
  for (const [index, item] of before.entries()) {
    if (fresh.has(JSON.stringify(item))) continue;
    const label = labelOf(item);
    const at = rest.findIndex(
      ({ item: other }) => labelOf(other) === label && teeOf(other) === teeOf(item) && isObject(item),
    );
    const [found] = at < 0 ? [] : rest.splice(at, 1);
    yield [label ?? String(index), item, found?.item];
  }
  for (const { item, index } of rest) yield [labelOf(item) ?? String(index), undefined, item];
}

function teeOf(item: JsonValue): JsonValue {
  return isObject(item) ? item.tee : undefined;
}

/** What tells an item apart from its neighbours, for people; undefined where only its place does. */
function labelOf(item: JsonValue): string | undefined {
  if (!isObject(item)) return String(item);
  const { name, cpu, index, block, version, project, project_sku, chip_sku } = item;
  if (typeof name === 'string') return name;
  if (isObject(cpu)) return `family ${cpu.family}, model ${cpu.model}, stepping ${cpu.stepping}`;
  if (typeof index === 'number') return `register ${index}`;
  if (typeof block === 'number') return `block ${block}`;
  if (typeof project === 'string') return `${project} ${project_sku} ${chip_sku} ${version}`;
  return typeof version === 'string' ? version : undefined;
}

function add(
  path: string,
  names: readonly string[],
  before: JsonValue,
  after: JsonValue,
  changes: ManifestChange[],
): void {
  const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  const { effect, words } = judgeChange(names, kind, before, after);
  changes.push({
    path,
    kind,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    effect,
    words,
  });
}

function isObject(value: JsonValue): value is { readonly [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
