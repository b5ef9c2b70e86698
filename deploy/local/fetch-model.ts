// `npm run fetch-model`: brings the default model to this machine, or says which sources did not give it.

import { ModelUnavailableError } from '../../backend/engine/weights/model-error.ts';
import { getModel } from './get-model.ts';
import { Screen } from './screen.ts';

const screen = new Screen(process.stdout, process.env);
const optional = process.argv.includes('--optional');
const named = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
try {
  screen.line(await getModel(screen, named));
} catch (error) {
  if (!(error instanceof ModelUnavailableError)) throw error;
  screen.line(error.message);
  if (optional) screen.line('The tests that need the real model will be skipped.');
  else process.exitCode = 1;
}
