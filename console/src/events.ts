// Server-sent events, read from a fetch: unlike EventSource it tells refusals, and resumes from where it stopped after
// any kind of break.

import { SIGNED_OUT, target, type Query } from './api';

const BACK_OFF_MS = { least: 500, most: 15_000 };
/** Longest line that is kept; a longer one ends the connection. */
const LINE_MAX = 1 << 20;
/** Servers send comments as heartbeat; silence for so long means that the connection is dead. */
const SILENT_MS = 45_000;

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** Splits text into events as the HTML standard says (9.2.6), for events that are not larger than LINE_MAX. */
export class EventParser {
  #rest = '';
  #id = '';
  #event = '';
  #data: string[] = [];

  push(text: string): ServerEvent[] {
    this.#rest += text;
    const out: ServerEvent[] = [];
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LINE_MAX) throw new Error('an event is too long');
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0)
          out.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
        this.#event = '';
        this.#data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') this.#data.push(value);
      else if (field === 'event') this.#event = value;
      else if (field === 'id' && !value.includes('\0')) this.#id = value;
    }
    return out;
  }
}

export type EventsState = 'connecting' | 'live' | 'waiting' | 'refused';

export interface Events {
  stop: () => void;
}

/** Follows a stream until stopped; after a break it goes on behind the last event that was taken. */
export function followEvents(
  path: string,
  options: {
    query?: Query;
    since?: number | undefined;
    take: (event: ServerEvent) => void;
    state: (state: EventsState) => void;
  },
): Events {
  const ended = new AbortController();
  let last = options.since === undefined ? '' : String(options.since);
  let failures = 0;

  const read = async (): Promise<'again' | 'refused'> => {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENT_MS);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (last) headers['last-event-id'] = last;
      const response = await fetch(target(path, { ...options.query, since: last || undefined }), {
        headers,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: AbortSignal.any([ended.signal, silent.signal]),
      });
      if (response.status === 401) window.dispatchEvent(new Event(SIGNED_OUT));
      if (!response.ok || !response.body) {
        await response.body?.cancel();
        return response.status >= 500 || response.status === 429 ? 'again' : 'refused';
      }
      options.state('live');
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'again';
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENT_MS);
        for (const event of parser.push(value)) {
          failures = 0;
          options.take(event);
          if (event.id) last = event.id;
        }
      }
    } catch {
      return 'again';
    } finally {
      clearTimeout(timer);
    }
  };

  void (async () => {
    while (!ended.signal.aborted) {
      options.state('connecting');
      const outcome = await read();
      if (ended.signal.aborted) return;
      if (outcome === 'refused') return options.state('refused');
      options.state('waiting');
      const wait = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.least * 2 ** failures) * (0.5 + Math.random() / 2);
      failures += 1;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        ended.signal.addEventListener(
          'abort',
          () => {
            clearTimeout(timer);
            resolve();
          },
          { once: true },
        );
      });
    }
  })();
  return { stop: () => ended.abort() };
}
