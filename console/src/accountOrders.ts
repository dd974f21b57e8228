// An account's orders and fills, kept current by the stream of trade events.

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { fills as askFills, num, orders as askOrders, type Fill, type Order } from './api';
import { followEvents, type EventsState } from './events';

/** Changes that come together are shown together. */
const GATHER_MS = 120;

export interface AccountOrders {
  live: Order[];
  today: Order[];
  fills: Fill[];
  error: unknown;
  state: EventsState;
  /** Something changed at this sequence: read again. */
  changed: (sequence: number | undefined) => void;
}

/** An account's orders and fills: read once, then again whenever the stream of trade events tells of a change. */
export function useAccountOrders(account: string): AccountOrders {
  const [state, setState] = useState<EventsState>('connecting');
  const [read, setRead] = useState<{ live: Order[]; today: Order[]; fills: Fill[]; error: unknown; account: string }>({
    live: [],
    today: [],
    fills: [],
    error: undefined,
    account,
  });
  const reader = useRef<(sequence: number | undefined) => void>(() => undefined);

  useEffect(() => {
    if (!account) return;
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wanted = 0;
    let busy = false;
    let again = false;
    let events: { stop: () => void } | undefined;

    const load = async (): Promise<void> => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      const min_sequence = wanted || undefined;
      try {
        const [live, today, fills] = await Promise.all([
          askOrders({ account, status: 'live', limit: 200, min_sequence }, ended.signal),
          askOrders({ account, limit: 60, min_sequence }, ended.signal),
          askFills({ account, limit: 60, min_sequence }, ended.signal),
        ]);
        setRead({ live: live.rows, today: today.rows, fills: fills.rows, error: undefined, account });
        events ??= follow(today.asOf ?? live.asOf);
      } catch (error) {
        if (ended.signal.aborted) return;
        setRead((old) => ({ ...(old.account === account ? old : { live: [], today: [], fills: [] }), error, account }));
        timer = setTimeout(() => void load(), 2_000);
      }
      busy = false;
      if (again) {
        again = false;
        soon();
      }
    };
    const soon = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void load(), GATHER_MS);
    };
    const follow = (since: number | undefined): { stop: () => void } =>
      followEvents('/v1/stream/trade-events', {
        query: { account },
        since,
        state: setState,
        // The id is the sequence of the command that changed something.
        take: (event) => {
          wanted = Math.max(wanted, num(event.id) ?? 0);
          soon();
        },
      });
    reader.current = (sequence) => {
      wanted = Math.max(wanted, sequence ?? 0);
      soon();
    };
    void load();
    return () => {
      ended.abort();
      clearTimeout(timer);
      events?.stop();
    };
  }, [account]);

  const changed = useCallback((sequence: number | undefined) => reader.current(sequence), []);
  const mine = read.account === account ? read : { live: [], today: [], fills: [], error: undefined };
  return useMemo(() => ({ ...mine, state, changed }), [read, account, state, changed]);
}
