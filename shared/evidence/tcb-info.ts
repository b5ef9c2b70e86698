// Intel's TCB info for TDX, version 3: which levels of microcode, PCE and TDX module a platform family has, and what each is worth.

import type { Bytes } from '../bytes/concat.ts';
import { instant, integer, list, object, oneOf, type Shape, text } from '../bytes/shape.ts';
import { TCB_INFO_MAXIMUM_BYTES } from './evidence-bounds.ts';
import { advisories, hexOctets, type ModuleStatus, moduleStatus } from './intel-shapes.ts';
import { readJson } from './read-json.ts';

/** What Intel says of a level of the platform (Intel PCS API v4, tcbStatus). */
export const TCB_LEVEL_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;
export type TcbLevelStatus = (typeof TCB_LEVEL_STATUSES)[number];

/** A level of an enclave or module, by its ISVSVN. */
export interface SvnLevel {
  readonly tcb: { readonly isvsvn: number };
  readonly tcbDate: Date;
  readonly tcbStatus: ModuleStatus;
  readonly advisoryIDs?: readonly string[];
}

/** Which TDX module counts. */
export interface TdxModule {
  readonly mrsigner: Bytes;
  readonly attributes: Bytes;
  readonly attributesMask: Bytes;
}

/** A module of a major version, such as `TDX_01`. */
export interface TdxModuleIdentity extends TdxModule {
  readonly id: string;
  readonly tcbLevels: readonly SvnLevel[];
}

interface Component {
  readonly svn: number;
  readonly category?: string;
  readonly type?: string;
}

/** A level of the platform. A platform has it when each of its numbers is at least the level's. */
export interface TcbLevel {
  readonly tcb: {
    /** 16 components of the PCK certificate. */
    readonly sgxtcbcomponents: readonly Component[];
    readonly pcesvn: number;
    /** 16 components of TEE_TCB_SVN. */
    readonly tdxtcbcomponents: readonly Component[];
  };
  readonly tcbDate: Date;
  readonly tcbStatus: TcbLevelStatus;
  readonly advisoryIDs?: readonly string[];
}

/** The document. The members are the JSON's own. */
export interface TcbInfo {
  readonly id: 'TDX';
  readonly version: 3;
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  /** 6 octets. */
  readonly fmspc: Bytes;
  /** 2 octets. */
  readonly pceId: Bytes;
  readonly tcbType: 0;
  /** Counts Intel's TCB recoveries. */
  readonly tcbEvaluationDataNumber: number;
  readonly tdxModule: TdxModule;
  readonly tdxModuleIdentities?: readonly TdxModuleIdentity[];
  /** Best first: the first that a platform has is the one that counts. */
  readonly tcbLevels: readonly TcbLevel[];
}

const word = text(/^[ -~]{1,128}$/, 'printable ASCII');
const components = list(
  object<Component>({ svn: integer(0, 255), category: word, type: word }, ['category', 'type']),
  16,
  16,
);
const module = {
  mrsigner: hexOctets(48),
  attributes: hexOctets(8),
  attributesMask: hexOctets(8),
};

/** Levels of an enclave or module, best first. */
export const svnLevels: Shape<readonly SvnLevel[]> = list(
  object<SvnLevel>(
    {
      tcb: object<SvnLevel['tcb']>({ isvsvn: integer(0, 65_535) }),
      tcbDate: instant,
      tcbStatus: moduleStatus,
      advisoryIDs: advisories,
    },
    ['advisoryIDs'],
  ),
  1,
  64,
);

const shape: Shape<TcbInfo> = object<TcbInfo>(
  {
    id: oneOf('TDX'),
    version: oneOf(3),
    issueDate: instant,
    nextUpdate: instant,
    fmspc: hexOctets(6),
    pceId: hexOctets(2),
    tcbType: oneOf(0),
    tcbEvaluationDataNumber: integer(0, 0xffffffff),
    tdxModule: object<TdxModule>(module),
    tdxModuleIdentities: list(
      object<TdxModuleIdentity>({
        id: text(/^TDX_[0-9A-Fa-f]{2}$/, 'TDX_ and two hex digits'),
        ...module,
        tcbLevels: svnLevels,
      }),
      1,
      64,
    ),
    tcbLevels: list(
      object<TcbLevel>(
        {
          tcb: object<TcbLevel['tcb']>({
            sgxtcbcomponents: components,
            pcesvn: integer(0, 65_535),
            tdxtcbcomponents: components,
          }),
          tcbDate: instant,
          tcbStatus: oneOf(...TCB_LEVEL_STATUSES),
          advisoryIDs: advisories,
        },
        ['advisoryIDs'],
      ),
      1,
      256,
    ),
  },
  ['tdxModuleIdentities'],
);

/**
 * Reads the octets that are signed: the inner object, exactly as served.
 * @throws EvidenceError `evidence_too_large` or `evidence_collateral_malformed` with every problem: unknown, missing and
 *   duplicate members included.
 */
export function parseTcbInfo(octets: Uint8Array): TcbInfo {
  return readJson(octets, shape, TCB_INFO_MAXIMUM_BYTES, 'evidence_collateral_malformed');
}
