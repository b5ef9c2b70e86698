// Points in time as text, in exactly one spelling: RFC 3339 in UTC with whole seconds.

/** `2027-01-31T23:59:59Z`. Fractions of a second are dropped. */
export function formatInstant(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** The point in time, or undefined for any other spelling or a date that does not exist. */
export function parseInstant(text: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text)) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) || formatInstant(date) !== text ? undefined : date;
}
