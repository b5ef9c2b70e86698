// What an observer learns with and without the defence, and what the defence costs: `node test/bench/length-hiding/measure-leak.ts`.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EngineCadence } from '../../../backend/adapter/engine-cadence.ts';
import { DEFAULT_PADDING, type PaddingPolicy } from '../../../backend/adapter/padding-policy.ts';
import { figure } from '../measure.ts';
import { attack, type Sighting } from './attack.ts';
import { fromLines, type RecordedStream, unpack } from './recording.ts';
import { type Replay, replayStream } from './replay-stream.ts';
import { TOPICS } from './topics.ts';

/** Streams with a lower number were there when the defence was tuned: they train the observer and are never judged. */
const TUNED_ON = 400;
const TOGETHER = 5;

const { values } = parseArgs({
  options: {
    recording: { type: 'string', default: fileURLToPath(new URL('recording.jsonl.gz', import.meta.url)) },
    /** Judges the streams that the defence may be tuned on, and no others. */
    tuning: { type: 'boolean', default: false },
    /** Policies to compare, as JSON members over the default; may be given several times. */
    policy: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    /** The observer does not see when the first token came, only how the answer goes from there. */
    'from-first-token': { type: 'boolean', default: false },
    'skip-undefended': { type: 'boolean', default: false },
  },
});

const octets = readFileSync(values.recording);
const recorded = (
  values.recording.endsWith('.gz') ? unpack(octets) : fromLines(octets.toString('utf8'))
).filter(({ index }) => !values.tuning || index < TUNED_ON);

const policies: (PaddingPolicy | undefined)[] = values['skip-undefended'] ? [] : [undefined];
if (values.policy.length === 0) policies.push(DEFAULT_PADDING);
for (const members of values.policy)
  policies.push({ ...DEFAULT_PADDING, ...(JSON.parse(members) as object) });

const plainOctets = total(await replayAll(recorded, undefined));
for (const policy of policies) {
  const replays = await replayAll(recorded, policy);
  const sightings = recorded.map(({ index, topic, subject }, i): Sighting => {
    const { seen: all, firstToken } = replays[i] as Replay;
    const seen = values['from-first-token'] ? fromMoment(all, firstToken) : all;
    return { topic, subject, seen, counts: values.tuning || index >= TUNED_ON };
  });
  const result = attack(sightings, TOPICS.length, TOGETHER);
  const delays = replays.flatMap(({ delays }) => delays).toSorted((a, b) => a - b);
  const ends = replays.map(({ endDelay }) => endDelay).toSorted((a, b) => a - b);
  const firsts = replays.map(({ firstToken }) => firstToken).filter((time) => !Number.isNaN(time));
  report({
    policy: policy ?? 'none',
    area: round(result.mean),
    areaOfSeveral: round(result.several),
    together: TOGETHER,
    octets: round(total(replays) / plainOctets),
    tokenDelayMean: Math.round(mean(delays)),
    tokenDelayP95: Math.round(delays[Math.floor(delays.length * 0.95)] ?? 0),
    firstTokenMean: Math.round(mean(firsts)),
    endDelayMean: Math.round(mean(ends)),
    endDelayP95: Math.round(ends[Math.floor(ends.length * 0.95)] ?? 0),
    heldOut: result.heldOut,
    training: result.training,
    byTopic: Object.fromEntries(
      TOPICS.map(({ name }, i) => [
        name,
        [round(result.byTopic[i] as number), round(result.severalByTopic[i] as number)],
      ]),
    ),
  });
}

async function replayAll(
  streams: readonly RecordedStream[],
  policy: PaddingPolicy | undefined,
): Promise<Replay[]> {
  const replays: Replay[] = [];
  // The streams in their order, as one node answered them.
  const cadence = new EngineCadence();
  for (const stream of streams) replays.push(await replayStream(stream, policy, cadence));
  return replays;
}

// A stream without a token is seen whole.
function fromMoment(seen: Replay['seen'], moment: number): Replay['seen'] {
  const rest = seen.filter(({ at }) => at >= moment);
  return rest.length === 0 ? seen : rest.map(({ at, octets }) => ({ at: at - moment, octets }));
}

function total(replays: readonly Replay[]): number {
  return replays.reduce((sum, { seen }) => sum + seen.reduce((part, { octets }) => part + octets, 0), 0);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0) / Math.max(numbers.length, 1);
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** One figure a line as the other benchmarks print them, or everything at once. */
function report(figures: Record<string, unknown> & { readonly policy: unknown }): void {
  if (!values.json) {
    process.stdout.write(`${JSON.stringify(figures, undefined, 1)}\n`);
    return;
  }
  const streams = `${figures.policy === 'none' ? 'undefended' : 'length hiding'}, observer`;
  const lines: [string, unknown, string, number][] = [
    [`${streams}, one stream`, figures.area, 'AUC', 0.5],
    [`${streams}, ${TOGETHER} streams`, figures.areaOfSeveral, 'AUC', 0.5],
  ];
  if (figures.policy !== 'none')
    lines.push(['length hiding, sealed octets', figures.octets, 'x undefended', 1]);
  for (const [name, value, unit, floor] of lines)
    process.stdout.write(`${JSON.stringify(figure(name, Number(value), unit, floor))}\n`);
}
