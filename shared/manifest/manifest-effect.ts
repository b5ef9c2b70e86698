// What a change of a manifest means for those who rely on it: does it ask less than before, or more? A table by member.

import type { JsonValue } from './manifest-diff.ts';

/** See `ManifestChange`. */
export type Effect = 'weaker' | 'stronger' | 'neutral' | 'unclear';

type Kind = 'added' | 'removed' | 'changed';

/** What a rule says of one change. */
interface Judgement {
  readonly effect: Effect;
  readonly words: string;
}

type Rule = (before: JsonValue, after: JsonValue, kind: Kind) => Judgement;

const OPPOSITE = { weaker: 'stronger', stronger: 'weaker', neutral: 'neutral', unclear: 'unclear' } as const;

const neutral =
  (words: string): Rule =>
  (before, after) => ({ effect: 'neutral', words: `${words}: ${show(before)} → ${show(after)}` });
const unclear =
  (words: string): Rule =>
  (before, after) => ({ effect: 'unclear', words: `${words}: ${show(before)} → ${show(after)}` });

/** Items that are accepted: one more is weaker. Also between `any` or `none` and a list. */
const accepted =
  (what: string): Rule =>
  (before, after, kind) => {
    if (kind === 'added') return { effect: 'weaker', words: `accepts one more ${what}: ${show(after)}` };
    if (kind === 'removed')
      return { effect: 'stronger', words: `no longer accepts a ${what}: ${show(before)}` };
    if (after === 'any') return { effect: 'weaker', words: `accepts any ${what}` };
    if (before === 'any') return { effect: 'stronger', words: `no longer accepts any ${what}` };
    return { effect: 'unclear', words: `another ${what}: ${show(before)} → ${show(after)}` };
  };

/** Items that are demanded: one fewer is weaker. */
const demanded =
  (what: string): Rule =>
  (before, after, kind) => {
    if (kind === 'added') return { effect: 'stronger', words: `demands one more ${what}: ${show(after)}` };
    if (kind === 'removed')
      return { effect: 'weaker', words: `no longer demands a ${what}: ${show(before)}` };
    return { effect: 'unclear', words: `another ${what}: ${show(before)} → ${show(after)}` };
  };

/** A number whose decrease is weaker. */
const minimum =
  (what: string): Rule =>
  (before, after) => {
    if (typeof before !== 'number' || typeof after !== 'number')
      return unclear(what)(before, after, 'changed');
    return { effect: after < before ? 'weaker' : 'stronger', words: `${what}: ${before} → ${after}` };
  };
/** A number whose increase is weaker. */
const maximum =
  (what: string): Rule =>
  (before, after, kind) => {
    const { effect, words } = minimum(what)(before, after, kind);
    return { effect: OPPOSITE[effect], words };
  };

/** Words from the weakest to the strongest. */
const ranked =
  (what: string, ...order: readonly JsonValue[]): Rule =>
  (before, after) => {
    const words = `${what}: ${show(before)} → ${show(after)}`;
    const [from, to] = [order.indexOf(before), order.indexOf(after)];
    if (from < 0 || to < 0 || from === to) return { effect: 'unclear', words };
    return { effect: to < from ? 'weaker' : 'stronger', words };
  };

/** One word is the weak one; everything else asks more, and is not compared among itself. */
const orElse =
  (what: string, weakest: JsonValue): Rule =>
  (before, after) => {
    const words = `${what}: ${show(before)} → ${show(after)}`;
    if (after === weakest) return { effect: 'weaker', words };
    return { effect: before === weakest ? 'stronger' : 'unclear', words };
  };

/** Versions as numbers or hex with dots; lower is weaker. */
const minimumVersion =
  (what: string): Rule =>
  (before, after) => {
    const words = `${what}: ${show(before)} → ${show(after)}`;
    if (typeof before !== 'string' || typeof after !== 'string') return { effect: 'unclear', words };
    const [from, to] = [before, after].map((text) =>
      text.split('.').map((part) => Number.parseInt(part, 16)),
    );
    for (let i = 0; i < Math.max(from?.length ?? 0, to?.length ?? 0); i++) {
      const difference = (to?.[i] ?? 0) - (from?.[i] ?? 0);
      if (difference !== 0) return { effect: difference < 0 ? 'weaker' : 'stronger', words };
    }
    return { effect: 'unclear', words };
  };

/** Bits that must be set, in hex; one that is no longer asked for is weaker. */
const demandedBits =
  (what: string): Rule =>
  (before, after) => {
    const words = `${what}: ${show(before)} → ${show(after)}`;
    if (typeof before !== 'string' || typeof after !== 'string') return { effect: 'unclear', words };
    const [from, to] = [BigInt(`0x${before}`), BigInt(`0x${after}`)];
    return { effect: (from & ~to) !== 0n ? 'weaker' : 'stronger', words };
  };

const demand = (what: string) => ranked(what, 'any', 'required');
const forbidden = (what: string) => ranked(what, 'any', 'off');
const tolerated = (what: string) => ranked(what, 'accepted', 'refused');

/** Holders who can act together: one more, or a lower threshold, makes it easier. */
const holders = (members: string, threshold: string, who: string): readonly (readonly [string, Rule])[] => [
  [
    threshold,
    (before, after, kind) =>
      after === 0
        ? { effect: 'stronger', words: `no ${who} is left: ${show(before)} → 0` }
        : before === 0
          ? { effect: 'weaker', words: `there are ${who}s now: 0 → ${show(after)}` }
          : minimum(`how many ${who}s must agree`)(before, after, kind),
  ],
  [
    `${members}.*`,
    (before, after, kind) => ({
      effect: kind === 'added' ? 'weaker' : 'unclear',
      words: `${kind === 'added' ? 'one more' : 'one fewer'} ${who}: ${show(after ?? before)}`,
    }),
  ],
  [
    `${members}.*.ed25519`,
    (before, after) => ({
      effect: 'weaker',
      words: `another key of the ${who}: ${show(before)} → ${show(after)}`,
    }),
  ],
];

/** Of one set of expectations, whatever its kind; `report` and `td` hold those of Azure. */
const EXPECTATIONS: readonly (readonly [string, Rule])[] = [
  ['products.*', accepted('product')],
  ['measurements.*', accepted('measurement')],
  ['minimum_guest_svn', minimum('lowest guest SVN')],
  ['host_data', accepted('host data')],
  ['id_block', unclear('keys that must have signed the launch')],
  ['id_block.id_key_digests.*', accepted('launch key')],
  ['id_block.author_key_digests.*', accepted('author key')],
  ['minimum_tcb.*', accepted('CPU, by its floor')],
  ...['fmc', 'boot_loader', 'tee', 'snp', 'microcode'].map(
    (name) => [`minimum_tcb.*.${name}`, minimum(`TCB floor of ${name}`)] as const,
  ),
  ['provisional_firmware', tolerated('provisional firmware')],
  ['minimum_mitigations', orElse('mitigations that must be on', 'none')],
  ['minimum_mitigations.launch', demandedBits('mitigations at launch')],
  ['minimum_mitigations.current', demandedBits('mitigations now')],
  ['guest_policy.debug', ranked('debugging', true, false)],
  ['guest_policy.migrate', ranked('migration', true, false)],
  ['guest_policy.smt', forbidden('SMT of the guest')],
  ['guest_policy.cxl', forbidden('CXL of the guest')],
  ...['single_socket', 'mem_aes_256_xts', 'rapl_disabled', 'ciphertext_hiding', 'page_swap_disabled'].map(
    (name) => [`guest_policy.${name}`, demand(`guest policy ${name}`)] as const,
  ),
  ['guest_policy.minimum_abi.major', minimum('lowest ABI, major')],
  ['guest_policy.minimum_abi.minor', minimum('lowest ABI, minor')],
  ['vmpl', maximum('privilege level (0 is the highest)')],
  ['platform.smt', forbidden('SMT of the platform')],
  ...['tsme', 'ecc', 'rapl_disabled', 'ciphertext_hiding', 'alias_check', 'iommu_write_safe'].map(
    (name) => [`platform.${name}`, demand(`platform ${name}`)] as const,
  ),
  ['chip_ids', accepted('chip')],
  ['chip_ids.*', accepted('chip')],
  ['masked_chip_id', tolerated('a masked chip id')],
  ['vlek_providers.*', accepted('provider key')],
  ['mrtd.*', accepted('MRTD')],
  ...['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'mrseam', 'xfam', 'ppids'].flatMap((name) => [
    [name, accepted(name)] as const,
    [`${name}.*`, accepted(name)] as const,
  ]),
  ...['mrconfigid', 'mrowner', 'mrownerconfig'].map((name) => [name, accepted(name)] as const),
  ['attributes.debug', ranked('debugging', true, false)],
  ['attributes.migratable', ranked('migration', true, false)],
  ['attributes.sept_ve_disable', demand('SEPT_VE_DISABLE')],
  ...['pks', 'key_locker', 'perfmon'].map((name) => [`attributes.${name}`, forbidden(name)] as const),
  ['tcb_statuses.*', accepted('TCB status')],
  ['minimum_tcb_evaluation_data_number', minimum('lowest TCB evaluation number')],
  ['secure_boot', demand('secure boot')],
  ['pcrs.*', demanded('register')],
  ['pcrs.*.digests.*', accepted('value of the register')],
  ['gpu', orElse('GPU that must be shown', 'none')],
  ['gpu.count', unclear('number of GPUs')],
  ['gpu.evidence', (before, after, kind) => orElseBoth(before, after, kind)],
  ['gpu.minimum_driver', minimumVersion('lowest GPU driver')],
  ['gpu.minimum_vbios', minimumVersion('lowest VBIOS')],
  ...['golden_drivers', 'golden_vbioses'].flatMap((name) => [
    [`gpu.${name}.*`, accepted('set of golden values')] as const,
    [`gpu.${name}.*.blocks.*`, demanded('measured block')] as const,
    [`gpu.${name}.*.blocks.*.digests.*`, accepted('golden value')] as const,
  ]),
  ['gpu.device_ids', accepted('GPU')],
  ['gpu.device_ids.*', accepted('GPU')],
  ['gpu.revocation', ranked('revocation of GPUs', 'unchecked', 'required')],
];

function orElseBoth(before: JsonValue, after: JsonValue, _kind: Kind): Judgement {
  const words = `whose word about GPUs: ${show(before)} → ${show(after)}`;
  if (before === 'both') return { effect: 'weaker', words };
  return { effect: after === 'both' ? 'stronger' : 'unclear', words };
}

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['serial', neutral('version')],
  ['previous', neutral('version before')],
  ['not_after', neutral('ends')],
  ['service', unclear('another service')],
  ...holders('owners', 'threshold', 'owner'),
  ...holders('seed_shares.owners', 'seed_shares.threshold', 'recovery owner'),
  ...holders('witnesses.keys', 'witnesses.threshold', 'witness'),
  // Without witnesses nobody has to have seen anything: the contrary of owners, without whom nobody can act.
  ['witnesses.threshold', minimum('how many witnesses must have seen it')],
  ['attestation_service', orElse('attestation service that must vouch as well', 'none')],
  ...['worker', 'attestation-service', 'all'].flatMap((role) => [
    [
      `reference_values.${role}`,
      ((_before, _after, kind) =>
        kind === 'added'
          ? { effect: 'weaker', words: `nodes may have the role ${role}` }
          : { effect: 'stronger', words: `no node may have the role ${role}` }) as Rule,
    ] as const,
    [`reference_values.${role}.*`, accepted('set of expectations')] as const,
    ...EXPECTATIONS.flatMap(([name, rule]) =>
      ['', 'report.', 'td.'].map((within) => [`reference_values.${role}.*.${within}${name}`, rule] as const),
    ),
  ]),
  [
    'deployments.*',
    (before, after, kind) => ({
      effect: kind === 'added' ? 'weaker' : 'stronger',
      words: `${kind === 'added' ? 'one more deployment may run' : 'a deployment may run no longer'}: ${nameOf(after ?? before)}`,
    }),
  ],
  ['deployments.*.document.isolation', orElse('isolation', 'shared')],
  ['deployments.*.document.isolation.mode', ranked('isolation', 'per-tenant', 'single-use')],
  ['deployments.*.document.isolation.by', ranked('what a tenant is', 'account', 'session')],
  ['deployments.*.document.isolation.idle_seconds', maximum('seconds for which an idle engine stays')],
  ['deployments.*.document.isolation.linger_seconds', maximum('seconds for which a session’s engine stays')],
  ['deployments.*.document.model.encrypted', demanded('encryption of the weights')],
  ['deployments.*.document.sandbox.driver', orElse('sandbox', 'none')],
  ['deployments.*.document.routes.*', accepted('route')],
  ['deployments.*.document.features.*', accepted('engine feature')],
  [
    'secrets.*',
    (before, after, kind) => ({
      effect: 'unclear',
      words: `${kind === 'added' ? 'one more secret' : 'a secret is gone'}: ${nameOf(after ?? before)}`,
    }),
  ],
  ['secrets.*.deployments.*', accepted('deployment that may have the secret')],
  ['secrets.*.release_policy', unclear('the release policy of the secret')],
  ['secrets.*.uploader', unclear('the uploader of the secret')],
  ['secrets.*.signature', neutral('the uploader’s signature')],
  ['key_epoch.seconds', maximum('seconds for which a key is offered')],
  ['key_epoch.overlap_seconds', maximum('seconds for which a key still opens afterwards')],
]);

/** `names`: the path as member names, `*` for every item of a list. A member that the table lacks is `unclear`, never harmless. */
export function judgeChange(
  names: readonly string[],
  kind: Kind,
  before: JsonValue,
  after: JsonValue,
): Judgement {
  const rule = RULES.get(names.join('.'));
  return rule === undefined
    ? { effect: 'unclear', words: `${kind}: ${show(before)} → ${show(after)}` }
    : rule(before, after, kind);
}

const LONGEST_SHOWN = 100;

function show(value: JsonValue): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function nameOf(value: JsonValue): string {
  const name = (value as { readonly name?: JsonValue } | undefined)?.name;
  return typeof name === 'string' ? name : show(value);
}
