// Shows the journey of one prompt: each verification step, the answer as it streams, and both sides of the seal.

import OpenAI from 'openai';
import type { Cloister } from '../../shared/client/create-cloister.ts';
import type { VerifiedNode } from '../../shared/client/verified-session.ts';
import type { Screen } from './screen.ts';
import type { TappedExchange } from './wire-tap.ts';

/** The question that no model can answer, and that the checks can. */
export const QUESTION = 'Is my secret safe with you?';

const ANSWER_TOKENS = 120;
const NAME_COLUMNS = 28;
const HEX_COLUMNS = 24;
const ANSWER_COLUMNS = 100;
const ANSWER_INDENT = ' '.repeat(9);
const FAMILY_COLUMNS = 10;
const WRAP_COLUMNS = 90;

/** Every step with its computed mark, its result and its duration. */
export function showSteps(screen: Screen, node: VerifiedNode): void {
  const simulated = node.key.assurance === 'simulated';
  for (const step of node.steps) {
    const mark =
      step.result === 'pass'
        ? simulated
          ? screen.amber('✓')
          : screen.green('✓')
        : step.result === 'skipped'
          ? screen.faint('–')
          : screen.red('✗');
    const duration = screen.faint(`${step.milliseconds.toFixed(1).padStart(6)} ms`);
    // A title is a claim; a step that was not taken claims nothing.
    const text = step.result === 'skipped' ? screen.faint(`not asked for: ${step.title}`) : step.title;
    screen.line(`  ${mark} ${step.name.padEnd(NAME_COLUMNS)} ${duration}  ${text}`);
  }
  const passed = node.steps.filter(({ result }) => result === 'pass').length;
  const milliseconds = node.steps.reduce((sum, step) => sum + step.milliseconds, 0).toFixed(0);
  if (simulated)
    screen.line(
      screen.amber(
        `  SIMULATED: ${passed} checks passed in ${milliseconds} ms, under the simulator’s own root. No hardware vouches for this.`,
      ),
    );
  else screen.line(screen.green(`  Verified: ${passed} checks passed in ${milliseconds} ms.`));
}

/** Asks the question through the OpenAI SDK and streams the answer. Returns the answer's text and the times that a person feels. */
export async function ask(
  screen: Screen,
  cloister: Cloister,
  model: string,
): Promise<{
  readonly answer: string;
  readonly firstTokenMilliseconds: number;
  readonly tokensPerSecond: number;
}> {
  const openai = new OpenAI({
    baseURL: cloister.baseURL,
    apiKey: 'unused',
    fetch: cloister.fetch,
  });
  screen.line(`  ${screen.bold('you')}    ${QUESTION}`);
  const started = performance.now();
  const stream = await openai.chat.completions.create({
    model,
    messages: [{ role: 'user', content: QUESTION }],
    max_tokens: ANSWER_TOKENS,
    stream: true,
    stream_options: { include_usage: true },
  });
  let answer = '';
  let first = 0;
  let tokens = 0;
  let column = 0;
  screen.raw('  model  ');
  for await (const event of stream) {
    const text = event.choices[0]?.delta.content ?? '';
    if (text !== '' && first === 0) first = performance.now();
    answer += text;
    for (const piece of text.split(/(?<=\s)/)) {
      if (column + piece.length > ANSWER_COLUMNS || piece.includes('\n')) {
        screen.raw(`\n${ANSWER_INDENT}`);
        column = 0;
      }
      screen.raw(piece.replaceAll('\n', ''));
      column += piece.length;
    }
    tokens = event.usage?.completion_tokens ?? tokens;
  }
  screen.line();
  const seconds = (performance.now() - first) / 1000;
  return { answer, firstTokenMilliseconds: first - started, tokensPerSecond: tokens / seconds };
}

/** What stands beside the answer: the model cannot know, the steps can. */
export function showWhoKnows(screen: Screen, node: VerifiedNode): void {
  const { assurance, deployment } = node.key;
  const passed = node.steps.filter(({ result }) => result === 'pass').map(({ name }) => name);
  const families = Map.groupBy(passed, (name) => name.split('.')[0] ?? name);
  screen.line();
  screen.line(
    '  The model cannot know whether your secret is safe: it sees text, not the machine it runs on. What this client',
  );
  screen.line(`  checked before it sent anything: ${passed.length} steps,`);
  for (const [family, names] of families) {
    const checks = names.map((name) => name.slice(family.length + 1)).join(', ');
    wrap(checks, WRAP_COLUMNS).forEach((row, index) => {
      screen.line(`    ${(index === 0 ? family : '').padEnd(FAMILY_COLUMNS)} ${screen.faint(row)}`);
    });
  }
  screen.line(
    `  for model ${deployment.model.id} (sha256 ${deployment.model.sha256.slice(0, 16)}…) in sandbox ${deployment.sandbox.driver}.`,
  );
  if (assurance === 'simulated')
    screen.line(
      screen.amber(
        '  The TEE is simulated here: the machine’s owner could read everything. On SEV-SNP hardware the same steps bind it.',
      ),
    );
}

/** Client and edge, side by side. */
export function showBothSides(screen: Screen, exchange: TappedExchange, answer: string): void {
  const { url } = exchange;
  const credential = exchange.requestHeaders.find(([name]) => name === 'authorization')
    ? 'Bearer <api key>'
    : '(none)';
  const rows: (readonly [string, string, string])[] = [
    ['', 'what you sent, and got', 'what the edge saw'],
    ['method', 'POST', exchange.method],
    ['path', '/v1/chat/completions', url.pathname],
    ['credential', '(stays outside the seal)', credential],
    ['request', `"${QUESTION}"`, `${exchange.requestOctets} octets`],
    ['', '', hexOf(exchange.requestHead)],
    [
      'answer',
      `"${answer.replaceAll(/\s+/g, ' ').slice(0, 36)}…"`,
      `${exchange.status}, ${exchange.responseOctets} octets in ${exchange.responsePieces} pieces`,
    ],
    ['', '', hexOf(exchange.responseHead)],
  ];
  for (const [label, client, edge] of rows)
    screen.line(`  ${screen.faint(label.padEnd(11))} ${client.padEnd(42)} ${edge}`);
}

function hexOf(octets: Uint8Array): string {
  const shown = Array.from(octets.subarray(0, HEX_COLUMNS), (octet) =>
    octet.toString(16).padStart(2, '0'),
  ).join(' ');
  return `${shown} …`;
}

function wrap(text: string, columns: number): string[] {
  const rows: string[] = [];
  let row = '';
  for (const word of text.split(' ')) {
    if (row.length + word.length + 1 > columns) {
      rows.push(row);
      row = '';
    }
    row += (row === '' ? '' : ' ') + word;
  }
  return [...rows, row];
}
