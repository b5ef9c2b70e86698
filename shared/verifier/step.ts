// A verification as a list of named steps, in the order in which they were taken.

import { EvidenceError } from '../evidence/evidence-error.ts';
import type { PolicyCode, VerificationCode, Violation } from './verification-error.ts';

/** One check as it came out. */
export interface Step {
  /** Stable, such as `snp.chain`. */
  readonly name: string;
  /** One plain line for people. */
  readonly title: string;
  readonly result: 'pass' | 'fail' | 'skipped';
  readonly expected?: string;
  readonly actual?: string;
  /** Only with `fail`. */
  readonly code?: VerificationCode;
  readonly milliseconds: number;
}

/** What a check found: nothing wrong, not applicable, or wrong with a code. */
export type Finding<C extends VerificationCode = VerificationCode> =
  | { readonly result: 'pass' | 'skipped'; readonly expected?: string; readonly actual?: string }
  | { readonly result: 'fail'; readonly code: C; readonly expected?: string; readonly actual?: string };

/** Ends a verification: thrown inside the verifier only, after the failed step was recorded. */
export class StoppedVerification extends Error {
  override readonly name = 'StoppedVerification';
}

/** A finding from a comparison. */
export function compare<C extends VerificationCode>(
  holds: boolean,
  code: C,
  expected: string,
  actual: string,
): Finding<C> {
  return holds ? { result: 'pass', expected, actual } : { result: 'fail', code, expected, actual };
}

/** A finding for a check that does not apply, with the reason. */
export function skipped(actual: string): Finding<never> {
  return { result: 'skipped', actual };
}

/** Takes steps and keeps them. */
export class StepLog {
  readonly steps: Step[] = [];
  readonly violations: Violation[] = [];
  readonly #prefix: string;

  /** `prefix` goes before the name of every step that is taken or appended here. */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  /**
   * A check whose failure ends the verification, because what follows would read bytes that nobody vouches for.
   * An EvidenceError becomes the step's failure; anything else is a bug and passes through.
   */
  async must<T>(
    name: string,
    title: string,
    check: () =>
      | Promise<Finding<VerificationCode> & { readonly value?: T }>
      | (Finding & { readonly value?: T }),
  ): Promise<T> {
    const began = performance.now();
    let finding: Finding & { readonly value?: T };
    try {
      finding = await check();
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      finding = { result: 'fail', code: error.code, actual: error.detail };
    }
    this.#record(name, title, finding, began);
    if (finding.result === 'fail') throw new StoppedVerification(finding.code);
    return finding.value as T;
  }

  /** A check of genuine bytes against what is trusted: all are taken, and all failures are kept. */
  judge(name: string, title: string, check: () => Finding<PolicyCode>): void {
    const began = performance.now();
    this.#record(name, title, check(), began);
  }

  /** Adds the steps of another log. */
  append(other: StepLog): void {
    this.steps.push(...other.steps.map((step) => ({ ...step, name: this.#prefix + step.name })));
    this.violations.push(...other.violations.map((each) => ({ ...each, step: this.#prefix + each.step })));
  }

  #record(ownName: string, title: string, finding: Finding, began: number): void {
    const name = this.#prefix + ownName;
    const shown = {
      ...(finding.expected === undefined ? {} : { expected: finding.expected }),
      ...(finding.actual === undefined ? {} : { actual: finding.actual }),
    };
    const failed = finding.result === 'fail' ? { code: finding.code } : {};
    const milliseconds = Math.round((performance.now() - began) * 1000) / 1000;
    this.steps.push({ name, title, result: finding.result, ...shown, ...failed, milliseconds });
    if (finding.result === 'fail') this.violations.push({ code: finding.code, step: name, ...shown });
  }
}
