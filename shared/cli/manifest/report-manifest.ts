// What `cloister manifest show|diff|history|verify` say: lines for people, or one JSON value for programs.

import { formatInstant } from '../../bytes/instant.ts';
import { parseDeployment } from '../../manifest/deployment.ts';
import { deploymentOctets, hasRecovery, isImmutable, type Manifest } from '../../manifest/manifest.ts';
import type { ManifestChange } from '../../manifest/manifest-diff.ts';
import type { HistoryVerdict, OpenedManifest, SuccessionProblem } from '../../manifest/manifest-history.ts';
import { signersAmong } from '../../manifest/manifest-signatures.ts';
import type { Terminal } from '../terminal.ts';

/** A manifest in a few lines, with who signed it so far. */
export function showManifest({ manifest, digest, signers }: OpenedManifest, terminal: Terminal): void {
  const { service, serial, previous, not_after, owners, threshold, seed_shares, witnesses } = manifest;
  terminal.data(terminal.bold(`${service}, version ${serial}`));
  const line = (name: string, text: string): void => terminal.data(`  ${name.padEnd(13)} ${text}`);
  line('digest', digest);
  line('previous', previous);
  line('ends', not_after);
  line(
    'owners',
    isImmutable(manifest) ? 'none: immutable, nobody can replace it' : `${threshold} of ${owners.length}`,
  );
  for (const { name, ed25519 } of owners)
    line('', `${signers.has(ed25519) ? 'signed  ' : 'not yet '} ${name}  ${ed25519}`);
  line(
    'recovery',
    hasRecovery(manifest) ? `${seed_shares.threshold} of ${seed_shares.owners.length}` : 'none',
  );
  line(
    'witnesses',
    witnesses.keys.length === 0 ? 'none' : `${witnesses.threshold} of ${witnesses.keys.length}`,
  );
  line('service role', `attestation service ${manifest.attestation_service}`);
  for (const [role, values] of Object.entries(manifest.reference_values))
    line(`role ${role}`, (values ?? []).map(({ tee }) => tee).join(', '));
  for (const entry of manifest.deployments) {
    const { model, engine, sandbox, isolation } = parseDeployment(deploymentOctets(entry));
    line('deployment', `${entry.name}: ${model.id}, ${engine.kind}, ${sandbox.driver}, ${isolation}`);
  }
  for (const { name, deployments } of manifest.secrets) line('secret', `${name} → ${deployments.join(', ')}`);
}

/** The same for programs. */
export function manifestToJson({ manifest, digest, signers }: OpenedManifest): object {
  return {
    digest,
    immutable: isImmutable(manifest),
    recovery: hasRecovery(manifest),
    signed: signersAmong(manifest.owners, signers),
    signers: [...signers],
    manifest: withReadableDeployments(manifest),
  };
}

/** What got weaker first. */
export function showChanges(changes: readonly ManifestChange[], terminal: Terminal): void {
  if (changes.length === 0) terminal.data('No change.');
  const order = ['weaker', 'unclear', 'stronger', 'neutral'] as const;
  for (const effect of order)
    for (const { path, words } of changes.filter((change) => change.effect === effect)) {
      const mark = {
        weaker: terminal.red('weaker  '),
        unclear: terminal.amber('unclear '),
        stronger: terminal.green('stronger'),
        neutral: terminal.faint('neutral '),
      }[effect];
      terminal.data(`${mark}  ${path}: ${words}`);
    }
}

/** Every version of a history with what is wrong with it. */
export function showHistory({ entries }: HistoryVerdict, terminal: Terminal): void {
  for (const [index, { opened, problems }] of entries.entries()) {
    const mark = problems.length === 0 ? terminal.green('✓') : terminal.red('✗');
    if (opened === undefined) terminal.data(`${mark} entry ${index + 1}`);
    else {
      const { manifest, digest, signers } = opened;
      const signed = `${signersAmong(manifest.owners, signers)} of ${manifest.owners.length} signed`;
      terminal.data(`${mark} version ${manifest.serial}  ${digest}  ${signed}, until ${manifest.not_after}`);
    }
    showProblems(problems, terminal);
  }
}

/** One line a problem. */
export function showProblems(problems: readonly SuccessionProblem[], terminal: Terminal): void {
  for (const { code, expected, actual } of problems) {
    terminal.data(`    ${terminal.red(code)}`);
    terminal.data(`      expected ${expected}`);
    terminal.data(`      actual   ${actual}`);
  }
}

/** The verdict for programs. */
export function historyToJson({ ok, entries }: HistoryVerdict, now: Date): object {
  return {
    ok,
    at: formatInstant(now),
    versions: entries.map(({ opened, problems }) => ({
      ...(opened && {
        service: opened.manifest.service,
        serial: opened.manifest.serial,
        digest: opened.digest,
        signers: [...opened.signers],
        not_after: opened.manifest.not_after,
      }),
      problems,
    })),
  };
}

function withReadableDeployments(manifest: Manifest): object {
  const deployments = manifest.deployments.map((entry) => ({
    name: entry.name,
    document: parseDeployment(deploymentOctets(entry)),
  }));
  return { ...manifest, deployments };
}
