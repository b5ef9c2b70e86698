// Makes the simulator's chip certificate, with AMD's extensions.

import type { KeyObject } from 'node:crypto';
import type { Bytes } from '../../../shared/bytes/concat.ts';
import { AMD_OID } from '../../../shared/evidence/amd-extensions.ts';
import type { Tcb } from '../../../shared/evidence/tcb.ts';
import { ia5String, integer } from './der-writer.ts';
import { extension, makeCertificate } from './make-certificate.ts';
import { SIMULATED_NAME } from './simulated-names.ts';

/** Everything about a leaf that a fault may bend. */
export interface LeafRecipe {
  readonly structVersion: number;
  readonly tcb: Tcb;
  readonly hwId: Bytes;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A VCEK for the chip's key. AMD's leaves have serial 0 and no key usage. */
export function makeLeaf(recipe: LeafRecipe, chipKey: KeyObject, signer: KeyObject): Bytes {
  const { tcb } = recipe;
  const level = (id: string, value: number) => extension(id, false, integer(value));
  return makeCertificate({
    serial: 0,
    issuer: SIMULATED_NAME.ask,
    subject: SIMULATED_NAME.vcek,
    notBefore: recipe.notBefore,
    notAfter: recipe.notAfter,
    key: chipKey,
    signer,
    extensions: [
      level(AMD_OID.structVersion, recipe.structVersion),
      extension(AMD_OID.productName, false, ia5String('Genoa')),
      ...(recipe.structVersion === 1 ? [level(AMD_OID.fmc, tcb.fmc)] : []),
      level(AMD_OID.bootLoader, tcb.bootLoader),
      level(AMD_OID.tee, tcb.tee),
      level(AMD_OID.spare4, 0),
      level(AMD_OID.spare5, 0),
      level(AMD_OID.spare6, 0),
      level(AMD_OID.spare7, 0),
      level(AMD_OID.snp, tcb.snp),
      level(AMD_OID.microcode, tcb.microcode),
      // AMD puts the chip's id there as it is, without a DER header of its own.
      extension(AMD_OID.hwId, false, recipe.structVersion === 1 ? recipe.hwId.subarray(0, 8) : recipe.hwId),
    ],
  });
}
