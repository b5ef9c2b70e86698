// What the recorder asks: ten topics, each with its subjects and ways to ask, kept apart for training and for testing.

/** A topic: every prompt is one of `asks` with one of `subjects` in the place of `*`. */
export interface Topic {
  readonly name: string;
  readonly asks: readonly string[];
  readonly subjects: readonly string[];
}

/** Of a topic's subjects this many are for training only; the others are held out. */
export const TRAINING_SUBJECTS = 6;

export const TOPICS: readonly Topic[] = [
  {
    name: 'arithmetic',
    asks: [
      'What is *? Show every step with digits.',
      'Compute *.',
      'Please work out * and check the result.',
      'Calculate * and write the next five multiples of the result.',
      'I need the value of *, step by step.',
      'List ten numbers that are larger than *.',
    ],
    subjects: (
      '17 * 23|144 / 12|998 + 467|12 squared|1000 - 387|7 * 8 * 9|81 / 9 + 4|256 + 512|19 * 21|3 * 333|' +
      '640 / 16|75 + 86 + 97|2 to the power of 10|1234 - 567|45 * 11|900 / 25|6 * 6 * 6|111 + 222'
    ).split('|'),
  },
  {
    name: 'program',
    asks: [
      'Write a Python function that *.',
      'Show me code that *.',
      'How do I write a JavaScript function that *?',
      'Give me a short program that *, code only.',
      'I need a script that *.',
      'Implement a class with a method that *.',
    ],
    subjects: (
      'reverses a string|sorts a list of numbers|reads a file line by line|counts words|finds the largest number|' +
      'checks whether a number is prime|removes duplicates from a list|merges two dictionaries|prints the Fibonacci numbers|' +
      'computes a factorial|parses a date|downloads a page|adds two matrices|validates an email address|shuffles a deck of cards|' +
      'converts Celsius to Fahrenheit|finds a substring|rounds a number to two digits'
    ).split('|'),
  },
  {
    name: 'recipe',
    asks: [
      'Give me a recipe for *.',
      'How do I cook *?',
      'List the ingredients of * with their amounts.',
      'I want to make * tonight. What do I need?',
      'What is the best way to prepare *?',
      'Write the shopping list for *.',
    ],
    subjects: (
      'tomato soup|pancakes|fried rice|apple pie|lentil curry|roast chicken|pasta with pesto|potato salad|banana bread|' +
      'vegetable stew|chocolate cake|grilled fish|mushroom risotto|onion soup|scrambled eggs|beef tacos|pumpkin soup|garlic bread'
    ).split('|'),
  },
  {
    name: 'illness',
    asks: [
      'I have *. What should I do?',
      'What are the symptoms of *?',
      'Which doctor should I see about *?',
      'How is * treated?',
      'Is * dangerous for a person of sixty?',
      'My child has *. Should I worry?',
    ],
    subjects: (
      'a headache that does not stop|high blood pressure|diabetes|asthma|a skin rash|back pain|depression|a fever|' +
      'kidney stones|an ear infection|migraine|chest pain|arthritis|a broken wrist|an allergy to nuts|insomnia|anaemia|pneumonia'
    ).split('|'),
  },
  {
    name: 'spanish',
    asks: [
      'Traduce al español: *.',
      'Escribe en español sobre este tema: *.',
      'Responde en español: ¿qué significa "*"?',
      'Dime en español tres frases con "*".',
      'Explica en español qué es *.',
      'Cuéntame una historia corta en español sobre *.',
    ],
    subjects: (
      'la casa blanca|el perro y el gato|the weather is nice today|una ciudad grande|el mar y la montaña|my brother lives in Madrid|' +
      'el tren de la mañana|un día de lluvia|la comida de mi abuela|the library opens at nine|los libros viejos|una carta de amor|' +
      'el mercado del pueblo|good morning, how are you|la luna y el sol|el fútbol|una fiesta de cumpleaños|the blue car is fast'
    ).split('|'),
  },
  {
    name: 'poem',
    asks: [
      'Write a short poem about *.',
      'Compose four rhyming lines on *.',
      'Write a haiku about *.',
      'Write the first verse of a song about *.',
      'Make a rhyme about * for children.',
      'Write a sad poem about *.',
    ],
    subjects: (
      'the sea|autumn leaves|an old clock|a lost friend|the stars|a small bird|winter|the city at night|a garden|' +
      'my mother|the first snow|a candle|the wind|a train station|a river|the moon|a forgotten letter|a rose'
    ).split('|'),
  },
  {
    name: 'law',
    asks: [
      'What does the law say about *?',
      'Can I be sued for *?',
      'Do I need a lawyer for *?',
      'What are my rights in a case of *?',
      'Explain the legal consequences of *.',
      'How long does a court case about * take?',
    ],
    subjects: (
      'divorce and custody|unpaid rent|a broken contract|being fired without notice|tax evasion|a car accident|' +
      'copyright infringement|an inheritance dispute|shoplifting|defamation|immigration without papers|identity theft|' +
      'a defective product|trespassing|a noisy neighbour|insider trading|child support|bankruptcy'
    ).split('|'),
  },
  {
    name: 'table',
    asks: [
      'Give me a JSON array of objects with fields for *. JSON only.',
      'Write a CSV table of * with four columns and no other text.',
      'Output a JSON object that describes *.',
      'Make a markdown table of *.',
      'Write a YAML file with settings for *.',
      'Return only JSON: a list of * with id, name and value.',
    ],
    subjects: (
      'three employees|a web server|five cities|a shopping cart|a weather station|four books|a user account|six planets|' +
      'a database|an online order|two cars|a calendar event|a music playlist|a hotel booking|five countries|a sensor|four students|a product'
    ).split('|'),
  },
  {
    name: 'travel',
    asks: [
      'Name ten places to visit in *.',
      'List the most famous sights of *, one per line.',
      'Plan two days in *.',
      'Which museums and markets are there in *?',
      'List hotels and neighbourhoods in *.',
      'Which cities and rivers are near *?',
    ],
    subjects:
      'Rome|Tokyo|Mexico City|Cairo|Istanbul|Lisbon|Bangkok|Buenos Aires|Vienna|Marrakesh|Sydney|Prague|Athens|Hanoi|Cape Town|Seoul|Dublin|Havana'.split(
        '|',
      ),
  },
  {
    name: 'yes-or-no',
    asks: [
      'Answer with one word, yes or no: is * an animal?',
      'True or false, one word: * is larger than a house.',
      'In one word, what colour is *?',
      'Reply with a single word: can you eat *?',
      'One short sentence only: what is *?',
      'In at most three words: where do you find *?',
    ],
    subjects:
      'a horse|a banana|the sky|a whale|a stone|a spoon|grass|a lemon|a mountain|a mouse|milk|a bicycle|a cloud|a tree|a shoe|fire|a violin|snow'.split(
        '|',
      ),
  },
];

/** One prompt, with where it belongs. */
export interface Prompt {
  readonly topic: number;
  readonly subject: number;
  readonly text: string;
}

/**
 * The prompt of stream number `index`: topics take turns, then subjects, then ways to ask.
 * @param index 0 and up
 */
export function promptOf(index: number): Prompt {
  const topic = index % TOPICS.length;
  const round = Math.floor(index / TOPICS.length);
  const { asks, subjects } = TOPICS[topic] as Topic;
  const subject = round % subjects.length;
  // Every subject meets every way to ask; the shift keeps neighbours in a recording from asking alike.
  const ask = (round + Math.floor(round / subjects.length) + topic) % asks.length;
  return { topic, subject, text: (asks[ask] as string).replace('*', subjects[subject] as string) };
}
