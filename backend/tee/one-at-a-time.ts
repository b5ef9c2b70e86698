// Runs jobs in the order of their calls, never two at once: evidence devices have one mailbox.

/** A queue of its own; a job that fails does not stop those behind it. */
export function oneAtATime(): <Result>(job: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const mine = last.then(job);
    last = mine.catch(() => {});
    return mine;
  };
}
