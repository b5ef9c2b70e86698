// The observer's attack: learns topics from some subjects' streams and guesses the topics of other subjects' streams.

import { areaUnderCurve, normalise, train } from './classifier.ts';
import { learnFeatures } from './features.ts';
import type { Replay } from './replay-stream.ts';

/** A stream with what the observer wants to know, and its subject, which must not be in both training and test. */
export interface Sighting {
  readonly topic: number;
  readonly subject: number;
  readonly seen: Replay['seen'];
  /** False: for training only, because the defence was tuned on it. */
  readonly counts: boolean;
}

export interface AttackResult {
  /** Area under the curve, one topic against the rest, for each topic. */
  readonly byTopic: readonly number[];
  readonly mean: number;
  /** The same for several streams of one topic seen together. */
  readonly severalByTopic: readonly number[];
  readonly several: number;
  /** Fewest held-out streams of a topic, and fewest training streams of a topic in a fold. */
  readonly heldOut: number;
  readonly training: number;
}

const FOLDS = 3;
const DECAYS = [0.1, 0.03, 0.01];
const SHUFFLES = 20;

/** Every stream is judged once, by a classifier that knows no stream of its subject. */
export function attack(sightings: readonly Sighting[], topics: number, together: number): AttackResult {
  const judged: { topic: number; logs: Float64Array }[] = [];
  let training = Number.POSITIVE_INFINITY;
  for (let fold = 0; fold < FOLDS; fold++) {
    const known = sightings.filter(({ subject }) => subject % FOLDS !== fold);
    const unknown = sightings.filter(({ subject, counts }) => subject % FOLDS === fold && counts);
    const decay = chooseDecay(known, topics);
    for (let topic = 0; topic < topics; topic++)
      training = Math.min(training, known.filter((sighting) => sighting.topic === topic).length);
    const classify = learn(known, topics, decay);
    for (const { topic, seen } of unknown) judged.push({ topic, logs: classify(seen) });
  }
  const byTopic = areas(judged, topics);
  const severalByTopic = areas(group(judged, topics, together), topics);
  const counts = Array.from(
    { length: topics },
    (_, topic) => judged.filter((one) => one.topic === topic).length,
  );
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    byTopic,
    mean: mean(byTopic),
    severalByTopic,
    several: mean(severalByTopic),
    heldOut: Math.min(...counts),
    training,
  };
}

function learn(known: readonly Sighting[], topics: number, decay: number) {
  const space = learnFeatures(known.map(({ seen }) => seen));
  const vectors = known.map(({ seen }) => space.vector(seen));
  const classify = train(
    vectors,
    known.map(({ topic }) => topic),
    { classes: topics, width: space.length, decay },
  );
  return (seen: Sighting['seen']) => classify(space.vector(seen));
}

// By the training streams alone: some of their subjects are set aside for the choice.
function chooseDecay(known: readonly Sighting[], topics: number): number {
  const aside = ({ subject }: Sighting) => Math.floor(subject / FOLDS) % 3 === 0;
  const learning = known.filter((sighting) => !aside(sighting));
  const judging = known.filter(aside);
  const space = learnFeatures(learning.map(({ seen }) => seen));
  const vectors = learning.map(({ seen }) => space.vector(seen));
  const labels = learning.map(({ topic }) => topic);
  const scored = DECAYS.map((decay) => {
    const classify = train(vectors, labels, { classes: topics, width: space.length, decay, rounds: 60 });
    const judged = judging.map(({ topic, seen }) => ({ topic, logs: classify(space.vector(seen)) }));
    return { decay, area: areas(judged, topics).reduce((sum, area) => sum + area, 0) };
  });
  return scored.toSorted((a, b) => b.area - a.area)[0]?.decay ?? 0.1;
}

function areas(judged: readonly { topic: number; logs: Float64Array }[], topics: number): number[] {
  return Array.from({ length: topics }, (_, topic) =>
    areaUnderCurve(
      judged.map(({ logs }) => logs[topic] as number),
      judged.map((one) => one.topic === topic),
    ),
  );
}

// Streams of one topic seen together: their log-probabilities add up. Shuffled often, because few groups make a rough curve.
function group(judged: readonly { topic: number; logs: Float64Array }[], topics: number, together: number) {
  const random = generator(1);
  const groups: { topic: number; logs: Float64Array }[] = [];
  for (let topic = 0; topic < topics; topic++) {
    const own = judged.filter((one) => one.topic === topic);
    for (let round = 0; round < SHUFFLES; round++) {
      const shuffled = own.map((one) => ({ one, key: random() })).toSorted((a, b) => a.key - b.key);
      for (let start = 0; start + together <= shuffled.length; start += together) {
        const logs = new Float64Array(topics);
        for (const { one } of shuffled.slice(start, start + together))
          for (let c = 0; c < topics; c++) logs[c] = (logs[c] as number) + (one.logs[c] as number);
        groups.push({ topic, logs: normalise(logs) });
      }
    }
  }
  return groups;
}

/** A small generator (mulberry32), so that a result can be had again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
