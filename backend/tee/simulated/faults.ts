// The faults that the simulator can play, by name: each is an attack or a mistake, and says which refusal it must meet.

import { generateKeyPairSync } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { type LeafRecipe, makeLeaf } from './leaf-certificate.ts';
import { authorityExtensions, makeCertificate, makeCrl } from './make-certificate.ts';
import { ASK_SERIAL, SIMULATED_TCB, type SimulatedPlatform } from './platform.ts';
import { SIMULATED_NAME } from './simulated-names.ts';
import type { ReportRecipe } from './write-report.ts';

const DAY = 86_400_000;
const DEBUG_BIT = 1n << 19n;
const MIGRATE_BIT = 1n << 18n;
const ALIAS_CHECK_BIT = 1n << 5n;
const UNKNOWN_PLATFORM_BIT = 1n << 40n;
const VMPL_HOST = 0xffffffff;
const SIGNING_KEY_VLEK = 1 << 2;

/** What a piece of evidence is made from. */
export interface Recipe {
  readonly report: ReportRecipe;
  /** Made anew where a fault bends it; else the platform's own certificate. */
  readonly leaf: LeafRecipe;
  readonly certificates: SimulatedPlatform['certificates'];
}

interface Fault {
  /** One plain line for people. */
  readonly title: string;
  /** The verification code that must come first. */
  readonly refusedWith: string;
  readonly bend: (recipe: Recipe, platform: SimulatedPlatform) => Recipe;
}

const report = (recipe: Recipe, changes: Partial<ReportRecipe>): Recipe => ({
  ...recipe,
  report: { ...recipe.report, ...changes },
});
const withLeaf = (recipe: Recipe, platform: SimulatedPlatform, changes: Partial<LeafRecipe>): Recipe => {
  const leaf = { ...recipe.leaf, ...changes };
  const vcek = makeLeaf(leaf, platform.keys.chip, platform.keys.ask);
  return { ...recipe, leaf, certificates: { ...recipe.certificates, vcek } };
};
const withCrl = (
  recipe: Recipe,
  platform: SimulatedPlatform,
  changes: Partial<Parameters<typeof makeCrl>[0]>,
): Recipe => {
  const now = platform.loadedAt.getTime();
  const crl = makeCrl({
    issuer: SIMULATED_NAME.ark,
    thisUpdate: new Date(now - DAY),
    nextUpdate: new Date(now + 30 * DAY),
    number: 2,
    revokedSerials: [],
    signer: platform.keys.ark,
    ...changes,
  });
  return { ...recipe, certificates: { ...recipe.certificates, crl } };
};
const flipped = (octets: Bytes): Bytes => octets.map((octet) => octet ^ 0xff);
const olderTcb = { ...SIMULATED_TCB, snp: SIMULATED_TCB.snp - 8 };

/** Every fault. */
export const SIMULATED_FAULTS = {
  'wrong-measurement': {
    title: 'the guest is another one than the manifest names',
    refusedWith: 'policy_measurement',
    bend: (recipe) => report(recipe, { measurement: flipped(recipe.report.measurement) }),
  },
  debug: {
    title: 'the guest was launched so that the host can read its memory',
    refusedWith: 'policy_debug',
    bend: (recipe) => report(recipe, { guestPolicy: recipe.report.guestPolicy | DEBUG_BIT }),
  },
  migratable: {
    title: 'the host may hand the guest to a migration agent',
    refusedWith: 'policy_migration',
    bend: (recipe) => report(recipe, { guestPolicy: recipe.report.guestPolicy | MIGRATE_BIT }),
  },
  'host-report': {
    title: 'the host asked for the report, not the guest',
    refusedWith: 'policy_vmpl',
    bend: (recipe) => report(recipe, { vmpl: VMPL_HOST }),
  },
  'less-privileged': {
    title: 'less privileged code inside the guest asked for the report',
    refusedWith: 'policy_vmpl',
    bend: (recipe) => report(recipe, { vmpl: 2 }),
  },
  'old-firmware': {
    title: 'the machine runs firmware with known holes',
    refusedWith: 'policy_tcb_reported',
    bend: (recipe, platform) =>
      withLeaf(
        report(recipe, {
          currentTcb: olderTcb,
          reportedTcb: olderTcb,
          committedTcb: olderTcb,
          launchTcb: olderTcb,
        }),
        platform,
        { tcb: olderTcb },
      ),
  },
  'launched-on-old-firmware': {
    title: 'the guest was launched under old firmware that was updated afterwards',
    refusedWith: 'policy_tcb_launch',
    bend: (recipe) => report(recipe, { launchTcb: olderTcb }),
  },
  'provisional-firmware': {
    title: 'the host can go back to older firmware after the attestation',
    refusedWith: 'policy_provisional_firmware',
    bend: (recipe) =>
      report(recipe, { currentTcb: { ...SIMULATED_TCB, microcode: SIMULATED_TCB.microcode + 1 } }),
  },
  'masked-chip': {
    title: 'the host hides which chip it is',
    refusedWith: 'policy_chip_masked',
    bend: (recipe) => report(recipe, { chipId: new Uint8Array(64) }),
  },
  'no-alias-check': {
    title: 'memory modules were not checked for lying about their size',
    refusedWith: 'policy_alias_check',
    bend: (recipe) => report(recipe, { platformInfo: recipe.report.platformInfo & ~ALIAS_CHECK_BIT }),
  },
  'unknown-platform-flag': {
    title: 'the machine sets a flag that nobody here knows',
    refusedWith: 'policy_platform',
    bend: (recipe) => report(recipe, { platformInfo: recipe.report.platformInfo | UNKNOWN_PLATFORM_BIT }),
  },
  replayed: {
    title: 'a genuine report in front of another statement',
    refusedWith: 'evidence_binding',
    bend: (recipe) => report(recipe, { reportData: flipped(recipe.report.reportData) }),
  },
  'other-chip': {
    title: 'report and certificate come from different chips',
    refusedWith: 'evidence_chip_mismatch',
    bend: (recipe) => report(recipe, { chipId: flipped(recipe.report.chipId) }),
  },
  'other-firmware-key': {
    title: 'the signing key belongs to other firmware than the report names',
    refusedWith: 'evidence_tcb_mismatch',
    bend: (recipe, platform) =>
      withLeaf(recipe, platform, { tcb: { ...SIMULATED_TCB, microcode: SIMULATED_TCB.microcode + 1 } }),
  },
  'other-processor': {
    title: 'the report names a Milan processor under a Genoa root',
    refusedWith: 'evidence_product_mismatch',
    bend: (recipe) => report(recipe, { cpu: { family: 0x19, model: 0x01, stepping: 1 } }),
  },
  'other-certificate-structure': {
    title: 'the certificate is laid out for Turin under a Genoa root',
    refusedWith: 'evidence_product_mismatch',
    bend: (recipe, platform) => withLeaf(recipe, platform, { structVersion: 1 }),
  },
  'provider-key': {
    title: 'the report says that a provider’s key signed it, the certificate is a chip’s',
    refusedWith: 'evidence_signing_key_kind',
    bend: (recipe) => report(recipe, { keyInfo: SIGNING_KEY_VLEK }),
  },
  'forged-report': {
    title: 'a key that is not the chip’s signed the report',
    refusedWith: 'evidence_report_signature',
    bend: (recipe, platform) => {
      const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const vcek = makeLeaf(recipe.leaf, stranger.publicKey, platform.keys.ask);
      return { ...recipe, certificates: { ...recipe.certificates, vcek } };
    },
  },
  'forged-chain': {
    title: 'the intermediate did not sign the chip’s certificate',
    refusedWith: 'evidence_chain_signature',
    bend: (recipe, platform) => {
      const vcek = makeLeaf(recipe.leaf, platform.keys.chip, platform.keys.ark);
      return { ...recipe, certificates: { ...recipe.certificates, vcek } };
    },
  },
  'foreign-root': {
    title: 'a whole chain under a root that nobody trusts',
    refusedWith: 'evidence_root_unknown',
    bend: foreignRoot,
  },
  'leaf-as-authority': {
    title: 'the root is sent in place of the intermediate',
    refusedWith: 'evidence_chain_profile',
    bend: (recipe) => ({
      ...recipe,
      certificates: { ...recipe.certificates, ask: recipe.certificates.ark },
    }),
  },
  'expired-certificate': {
    title: 'the chip’s certificate has expired',
    refusedWith: 'evidence_certificate_not_valid_now',
    bend: (recipe, platform) =>
      withLeaf(recipe, platform, {
        notBefore: new Date(platform.loadedAt.getTime() - 2 * DAY),
        notAfter: new Date(platform.loadedAt.getTime() - DAY),
      }),
  },
  'stale-crl': {
    title: 'the revocation list has expired',
    refusedWith: 'evidence_crl_not_valid_now',
    bend: (recipe, platform) =>
      withCrl(recipe, platform, { nextUpdate: new Date(platform.loadedAt.getTime() - 1000) }),
  },
  'foreign-crl': {
    title: 'somebody other than the root signed the revocation list',
    refusedWith: 'evidence_crl_signature',
    bend: (recipe, platform) => withCrl(recipe, platform, { signer: platform.keys.ask }),
  },
  'broken-crl': {
    title: 'the revocation list is damaged',
    refusedWith: 'evidence_crl_malformed',
    bend: (recipe) => ({
      ...recipe,
      certificates: { ...recipe.certificates, crl: recipe.certificates.crl.subarray(0, 64) },
    }),
  },
  revoked: {
    title: 'the intermediate is revoked',
    refusedWith: 'evidence_revoked',
    bend: (recipe, platform) => withCrl(recipe, platform, { revokedSerials: [ASK_SERIAL] }),
  },
} as const satisfies Record<string, Fault>;

/** Name of a fault. */
export type SimulatedFault = keyof typeof SIMULATED_FAULTS;

/** Whether a word names a fault. */
export function isSimulatedFault(word: string): word is SimulatedFault {
  return Object.hasOwn(SIMULATED_FAULTS, word);
}

/** Applies a fault to a recipe. */
export function bend(fault: SimulatedFault, recipe: Recipe, platform: SimulatedPlatform): Recipe {
  const { bend: apply }: Fault = SIMULATED_FAULTS[fault];
  return apply(recipe, platform);
}

// Root and intermediate change places: another root key without the seconds that a new RSA-4096 key takes.
function foreignRoot(recipe: Recipe, platform: SimulatedPlatform): Recipe {
  const { ark, ask, chip } = platform.keys;
  const authority = {
    issuer: SIMULATED_NAME.ark,
    notBefore: recipe.leaf.notBefore,
    notAfter: recipe.leaf.notAfter,
    signer: ask,
  };
  const swapped = withCrl(recipe, platform, { signer: ask });
  return {
    ...swapped,
    certificates: {
      ark: makeCertificate({
        ...authority,
        serial: 1,
        subject: SIMULATED_NAME.ark,
        key: ask,
        extensions: authorityExtensions('root'),
      }),
      ask: makeCertificate({
        ...authority,
        serial: ASK_SERIAL,
        subject: SIMULATED_NAME.ask,
        key: ark,
        extensions: authorityExtensions('intermediate'),
      }),
      vcek: makeLeaf(recipe.leaf, chip, ark),
      crl: swapped.certificates.crl,
    },
  };
}
