// A strict reader of event streams, written from the standard (HTML, section 9.2.6), and one that only takes comments out.

/** What one event dispatches: its type and data. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** The events of a whole stream; an event without its blank line is none. */
export function readEvents(text: string): ServerEvent[] {
  const events: ServerEvent[] = [];
  let data: string[] = [];
  let type = '';
  const lines = text.split(/\r\n|\n|\r/);
  // What follows the last line end is not a line.
  lines.pop();
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) events.push({ type: type === '' ? 'message' : type, data: data.join('\n') });
      data = [];
      type = '';
    } else if (!line.startsWith(':')) {
      const colon = line.indexOf(':');
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (name === 'data') data.push(value);
      if (name === 'event') type = value;
    }
  }
  return events;
}

/** The text without the comment lines that padding adds. */
export function withoutComments(text: string): string {
  return text.replace(/^:\.*\n/gm, '');
}
