// The command line of `npm start --`.

import { parseArgs } from 'node:util';
import {
  isSimulatedFault,
  SIMULATED_FAULTS,
  type SimulatedFault,
} from '../../backend/tee/simulated/faults.ts';
import {
  isSimulatedGpuFault,
  SIMULATED_GPU_FAULTS,
  type SimulatedGpuFault,
} from '../../backend/tee/simulated/gpu-faults.ts';
import { type IsolationMode, isIsolationMode } from './isolation-modes.ts';

export const USAGE = `npm start -- [options]

  --once            ask the question, show the journey, end
  --json            print one line of JSON when ready: base_url, api_key, policy, local_url (use: npm start --silent -- --json)
  --model FILE      use this GGUF file of the default model instead of fetching it
  --encrypted-weights  encrypt a copy of the model first; the node decrypts it in memory only (see docs/weights.md)
  --isolation MODE  shared (the default), per-tenant or single-use: how many sessions one engine serves (see docs/isolation.md)
  --gpus N          give the simulated machine N GPUs, which the manifest then wants
  --fault NAME      let the simulated TEE misbehave, to see the client refuse (see docs/local.md)
  --help            this text

  CLOISTER_PORT     port of the edge (default: 8787, or a free one when that is taken)`;

export interface Arguments {
  readonly once: boolean;
  readonly json: boolean;
  readonly help: boolean;
  readonly model: string | undefined;
  readonly fault: SimulatedFault | SimulatedGpuFault | undefined;
  /** Simulated GPUs; a fault of theirs brings one. */
  readonly gpus: number | undefined;
  readonly encryptedWeights: boolean;
  readonly isolation: IsolationMode;
  readonly port: number | undefined;
}

/** The command line is not what the usage says. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError on an unknown option or a port that is none. */
export function readArguments(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Arguments {
  let values: {
    once?: boolean;
    json?: boolean;
    help?: boolean;
    model?: string;
    fault?: string;
    gpus?: string;
    isolation?: string;
    'encrypted-weights'?: boolean;
  };
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        once: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        model: { type: 'string' },
        fault: { type: 'string' },
        gpus: { type: 'string' },
        isolation: { type: 'string' },
        'encrypted-weights': { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unknown option');
  }
  const portText = environment.CLOISTER_PORT;
  const port = portText === undefined || portText === '' ? undefined : Number(portText);
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535))
    throw new UsageError('CLOISTER_PORT must be a port number from 1 to 65535');
  const { fault } = values;
  const gpuFault = fault !== undefined && isSimulatedGpuFault(fault);
  if (fault !== undefined && !gpuFault && !isSimulatedFault(fault)) throw new UsageError(listFaults(fault));
  const gpus = values.gpus === undefined ? (gpuFault ? 1 : undefined) : Number(values.gpus);
  if (gpus !== undefined && !(Number.isInteger(gpus) && gpus >= 1 && gpus <= 16))
    throw new UsageError('--gpus must be a number from 1 to 16');
  const { isolation = 'shared' } = values;
  if (!isIsolationMode(isolation))
    throw new UsageError('--isolation must be shared, per-tenant or single-use');
  return {
    once: values.once === true,
    encryptedWeights: values['encrypted-weights'] === true,
    json: values.json === true,
    help: values.help === true,
    model: values.model,
    fault,
    gpus,
    isolation,
    port,
  };
}

function listFaults(asked: string): string {
  const faults = Object.entries({ ...SIMULATED_FAULTS, ...SIMULATED_GPU_FAULTS }).map(
    ([name, { title }]) => `  ${name.padEnd(28)} ${title}`,
  );
  return [`The simulated TEE has no fault "${asked}". It can play:`, ...faults, ''].join('\n');
}
