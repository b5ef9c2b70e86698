// What is mutated, and which tests each mutant is held against: the ones about that file, so that a mutant takes a second and not a minute.

const evidence = (...names: readonly string[]) => names.map((name) => `test/shared/evidence/${name}.test.ts`);
const verifier = (...names: readonly string[]) => names.map((name) => `test/shared/verifier/${name}.test.ts`);

const certificates = evidence('der', 'certificates', 'certificate-rules');
const snp = [
  ...evidence('snp-report'),
  ...verifier('generated-snp', 'vlek', 'judge-snp', 'refusals', 'snp-vectors'),
];
const tdx = verifier('tdx-refusals', 'tdx-dcap-qvl');
const gpu = verifier('nvidia-report-fields', 'nvidia-refusals', 'nvidia-binding', 'ocsp');
const azure = verifier('azure-refusals', 'azure-tdx');

/** Tests by mutated file; paths from the root of the repository. */
export const TARGETS: Readonly<Record<string, readonly string[]>> = {
  'shared/evidence/der.ts': certificates,
  'shared/evidence/x509.ts': [...certificates, ...evidence('tdx-collateral')],
  'shared/evidence/crl.ts': [...certificates, ...evidence('tdx-collateral')],
  'shared/evidence/rsa-pss.ts': certificates,
  'shared/evidence/ecdsa-signature.ts': [...certificates, ...evidence('tdx-collateral')],
  'shared/evidence/certificate-vendor.ts': [...certificates, ...evidence('tdx-collateral')],
  'shared/evidence/amd-extensions.ts': [...certificates, ...verifier('vlek')],
  'shared/evidence/snp-report.ts': evidence('snp-report', 'snp-report-fields'),
  'shared/evidence/tcb.ts': [...evidence('snp-report', 'snp-report-fields'), ...verifier('judge-snp')],
  'shared/evidence/tdx-quote.ts': evidence('tdx-quote'),
  'shared/evidence/tdx-pck-extensions.ts': evidence('tdx-collateral'),
  'shared/evidence/tdx-collateral.ts': evidence('tdx-collateral'),
  'shared/evidence/tcb-info.ts': evidence('tdx-collateral'),
  'shared/evidence/qe-identity.ts': evidence('tdx-collateral'),
  'shared/evidence/intel-shapes.ts': evidence('tdx-collateral'),
  'shared/evidence/pem.ts': evidence('tdx-collateral'),
  'shared/evidence/ocsp-response.ts': verifier('ocsp'),
  'shared/evidence/nvidia-chain.ts': gpu,
  'shared/evidence/nvidia-report.ts': gpu,
  'shared/evidence/spdm-measurements.ts': gpu,
  'shared/evidence/nras-answer.ts': verifier('nras-refusals'),
  'shared/evidence/nras-claims.ts': verifier('nras-refusals'),
  'shared/evidence/azure-hcl-report.ts': azure,
  'shared/evidence/tpm-quote.ts': azure,
  'shared/evidence/node-core.ts': evidence('documents'),
  'shared/evidence/node-statement.ts': evidence('documents'),
  'shared/evidence/read-json.ts': evidence('documents'),
  'shared/evidence/bundle.ts': [...evidence('documents'), ...verifier('refusals')],

  'shared/verifier/verify-snp-chain.ts': snp,
  'shared/verifier/verify-snp-revocation.ts': snp,
  'shared/verifier/verify-snp-report.ts': snp,
  'shared/verifier/verify-snp-evidence.ts': snp,
  'shared/verifier/judge-snp.ts': verifier('judge-snp', 'refusals', 'vlek'),
  'shared/verifier/verify-tdx-chain.ts': tdx,
  'shared/verifier/verify-tdx-revocation.ts': tdx,
  'shared/verifier/verify-tdx-collateral.ts': tdx,
  'shared/verifier/verify-tdx-quote.ts': tdx,
  'shared/verifier/verify-tdx-evidence.ts': tdx,
  'shared/verifier/rate-tdx-tcb.ts': verifier('rate-tdx-tcb'),
  'shared/verifier/judge-tdx.ts': verifier('judge-tdx'),
  'shared/verifier/verify-nvidia-chain.ts': gpu,
  'shared/verifier/verify-nvidia-gpu.ts': gpu,
  'shared/verifier/verify-devices.ts': gpu,
  'shared/verifier/verify-ocsp.ts': verifier('ocsp'),
  'shared/verifier/judge-gpus.ts': [...gpu, ...verifier('nras-refusals')],
  'shared/verifier/verify-nras.ts': verifier('nras-refusals'),
  'shared/verifier/verify-azure-snp.ts': azure,
  'shared/verifier/verify-azure-tdx.ts': azure,
  'shared/verifier/verify-azure-vtpm.ts': azure,
  'shared/verifier/judge-azure-vtpm.ts': azure,
  'shared/verifier/verifier-crypto.ts': verifier('providers', 'tdx-refusals', 'nvidia-refusals'),
  'shared/verifier/step.ts': verifier('refusals', 'judge-snp'),
};
