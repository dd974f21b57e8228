import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';

import { ApiError } from './api';
import type { Page } from './http';
import { NotConfirmed } from './security';
import { marketStream, type LinkState, type Seen } from './stream';

export interface Loaded<T> {
  data: T | undefined;
  error: unknown;
  /** Asks again at once. */
  reload: () => void;
}

/** Loads something, again every `everyMs` (0 = once) and whenever `key` changes. The last answer stays while asking. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, key: string, everyMs = 0): Loaded<T> {
  const [answer, setAnswer] = useState<{ key: string; data: T | undefined; error: unknown }>({
    key,
    data: undefined,
    error: undefined,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let refused = false;
    const ask = async (): Promise<void> => {
      try {
        const data = await latest.current(ended.signal);
        if (!ended.signal.aborted) setAnswer({ key, data, error: undefined });
      } catch (error) {
        // What is not permitted now will not be permitted in a second.
        refused = error instanceof ApiError && (error.status === 401 || error.status === 403);
        if (!ended.signal.aborted) setAnswer((old) => ({ key, data: old.key === key ? old.data : undefined, error }));
      }
      // A hidden page asks rarely: nobody looks.
      if (everyMs > 0 && !ended.signal.aborted && !refused)
        timer = setTimeout(() => void ask(), document.hidden ? everyMs * 5 : everyMs);
    };
    void ask();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [key, everyMs, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  // What belongs to another key is never shown.
  return answer.key === key
    ? { data: answer.data, error: answer.error, reload }
    : { data: undefined, error: undefined, reload };
}

export interface Pages<R> {
  rows: R[] | undefined;
  /** Adds the page behind; undefined where there is none. */
  more: (() => void) | undefined;
  busy: boolean;
  error: unknown;
  reload: () => void;
}

/** A list that comes page by page; it begins anew whenever `key` changes. What belongs to another key is never shown. */
export function usePages<R>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<R>>,
  key: string,
): Pages<R> {
  type Held = { key: string; rows: R[] | undefined; next: string | undefined; busy: boolean; error: unknown };
  const fresh: Held = { key, rows: undefined, next: undefined, busy: true, error: undefined };
  const [held, setHeld] = useState<Held>(fresh);
  const latest = useRef(load);
  latest.current = load;
  const asking = useRef<AbortController>(undefined);

  const ask = useCallback(
    (cursor: string | undefined) => {
      asking.current?.abort();
      const { signal } = (asking.current = new AbortController());
      setHeld((old) => ({
        ...(old.key === key ? old : { ...old, rows: undefined }),
        key,
        busy: true,
        error: undefined,
      }));
      latest.current(cursor, signal).then(
        ({ rows, next }) => {
          if (signal.aborted) return;
          setHeld((old) => {
            const before = cursor === undefined ? [] : (old.rows ?? []);
            return { key, rows: [...before, ...rows], next, busy: false, error: undefined };
          });
        },
        (error: unknown) => {
          if (!signal.aborted) setHeld((old) => ({ ...old, key, busy: false, error }));
        },
      );
    },
    [key],
  );
  useEffect(() => {
    ask(undefined);
    return () => asking.current?.abort();
  }, [ask]);

  const now = held.key === key ? held : fresh;
  return {
    rows: now.rows,
    more: now.next === undefined ? undefined : () => ask(now.next),
    busy: now.busy,
    error: now.error,
    reload: () => ask(undefined),
  };
}

/** Does something, tells what went wrong, and lets nobody do it twice meanwhile. */
export function useDoing(then: () => void): {
  busy: boolean;
  error: unknown;
  run: (what: () => Promise<unknown>) => void;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = (what: () => Promise<unknown>): void => {
    setBusy(true);
    setError(undefined);
    what()
      .then(then, (failure: unknown) => {
        // Whoever went back from the confirming dialog knows that nothing happened.
        if (!(failure instanceof NotConfirmed)) setError(failure);
      })
      .finally(() => setBusy(false));
  };
  return { busy, error, run };
}

/** What the stream knows of an instrument, live. */
export function useSeen(symbol: string): Seen | undefined {
  useEffect(() => (symbol ? marketStream.follow(symbol) : undefined), [symbol]);
  return useSyncExternalStore(marketStream.listen, () => marketStream.seen(symbol));
}

export function useStreamState(): { link: LinkState; dropped: number; level: string } {
  const link = useSyncExternalStore(marketStream.listen, marketStream.state);
  const dropped = useSyncExternalStore(marketStream.listen, marketStream.dropped);
  const level = useSyncExternalStore(marketStream.listen, marketStream.level);
  return { link, dropped, level };
}

/** A value that follows `value` once it has been still for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

const isTyping = (element: EventTarget | null): boolean =>
  element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(element.tagName));

/** Single keys while nobody types. A chord such as `g m` is two keys within a second. */
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let before = { key: '', at: 0 };
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const chord = event.timeStamp - before.at < 1_000 ? `${before.key} ${event.key}` : '';
      const act = latest.current[chord] ?? latest.current[event.key];
      before = { key: event.key, at: event.timeStamp };
      if (!act) return;
      event.preventDefault();
      act(event);
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, []);
}
