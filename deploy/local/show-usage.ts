// The lines that a newcomer copies: curl for every language, the SDK for TypeScript.

import type { Screen } from './screen.ts';
import type { LocalSystem } from './start-locally.ts';

export function showUsage(screen: Screen, { local, edge, apiKey, policy, model }: LocalSystem): void {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Say hello.' }], stream: true });
  screen.heading('Try it (another terminal)');
  screen.line(`curl -N ${local.url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`);
  screen.line();
  screen.line(
    screen.faint(
      '# from TypeScript or JavaScript: save as chat.mjs in this folder and run `npx node chat.mjs`',
    ),
  );
  screen.line(`import OpenAI from 'openai';
import { createCloister } from 'cloister';

const cloister = createCloister({
  baseURL: '${edge}',
  apiKey: '${apiKey}',
  policy: ${JSON.stringify(policy)},
});
const openai = new OpenAI({ baseURL: cloister.baseURL, apiKey: 'unused', fetch: cloister.fetch });
const answer = await openai.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'Say hello.' }],
});
console.log(answer.choices[0].message.content);`);
  screen.line();
  screen.line(screen.faint('# verify elsewhere: the same steps, from another process'));
  screen.line(`npm run --silent cloister -- verify ${edge} --policy '${JSON.stringify(policy)}'`);
  screen.line();
  screen.line(screen.faint('Stays up until ctrl-C.'));
}
