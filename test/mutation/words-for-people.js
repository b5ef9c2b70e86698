// A Stryker ignorer: leaves out what only people read, because no check depends on it. What it leaves out is written in the report.

/** Arguments that only people read, by the function that takes them. */
const WORDS = new Map([
  // log.must(name, title, check), log.judge(name, title, check)
  ['must', [1]],
  ['judge', [1]],
  // compare(holds, code, expected, actual)
  ['compare', [2, 3]],
  ['skipped', [0]],
  ['malformed', [0]],
  ['unsupported', [0]],
  ['error', [0]],
  ['explicit', [2]],
  ['readSha384', [1]],
  ['EvidenceError', [1]],
]);
/** Members that only people read. */
const MEMBERS = new Set(['expected', 'actual']);

function calleeOf({ callee }) {
  if (callee.type === 'Identifier') return callee.name;
  return callee.type === 'MemberExpression' && callee.property.type === 'Identifier'
    ? callee.property.name
    : undefined;
}

const REASON = 'only people read it';

/** @type {import('@stryker-mutator/api/ignore').Ignorer} */
const ignorer = {
  shouldIgnore(path) {
    const { parent } = path;
    if (parent?.type === 'CallExpression' || parent?.type === 'NewExpression') {
      const positions = WORDS.get(calleeOf(parent) ?? '');
      if (positions?.includes(parent.arguments.indexOf(path.node))) return REASON;
    }
    if (parent?.type === 'ObjectProperty' && parent.value === path.node && parent.key.type === 'Identifier')
      if (MEMBERS.has(parent.key.name)) return REASON;
    // `const expected = …`, which becomes such a member.
    if (parent?.type === 'VariableDeclarator' && parent.init === path.node && parent.id.type === 'Identifier')
      if (MEMBERS.has(parent.id.name)) return REASON;
    return undefined;
  },
};

/** What Stryker's `declareValuePlugin` would make, without an import that this folder cannot resolve. */
export const strykerPlugins = [{ kind: 'Ignore', name: 'words-for-people', value: ignorer }];
