// Makes sure that a model's file is the one that the deployment names.

import { EngineError } from './engine-error.ts';
import { hashFile } from './weights/hash-file.ts';

/** @throws EngineError `engine_model_missing` or `engine_model_mismatch` */
export async function checkModel({
  path,
  sha256,
}: {
  readonly path: string;
  readonly sha256: string;
}): Promise<void> {
  let found: string;
  try {
    found = await hashFile(path);
  } catch {
    throw new EngineError('engine_model_missing', 'The model’s file cannot be read.');
  }
  if (found !== sha256)
    throw new EngineError('engine_model_mismatch', `The model’s SHA-256 is ${found}, expected ${sha256}.`);
}
