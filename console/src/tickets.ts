// Orders on their way. Each has a key made before it is first sent; until a definite answer has come it is kept in this
// tab, also over a reload, and looked up by its key. It is never sent again under another key. Signing out or closing the
// tab forgets it; the orders page shows what stands.

import { ApiError, orderByKey, placeOrder, type OrderDraft, type Reject } from './api';

export type TicketState = 'placing' | 'accepted' | 'refused' | 'unknown' | 'resolved' | 'absent';
export interface Ticket {
  draft: OrderDraft;
  state: TicketState;
  at: number;
  orderId?: string | undefined;
  repeated?: boolean | undefined;
  /** Why it was refused, where a look-up told it. */
  reject?: Reject | undefined;
  error?: unknown;
  lookups: number;
}

const KEPT = 'heng.unresolved';
const SHOWN = 6;
const LOOKUP_MS = { least: 700, most: 10_000 };
/** After so many look-ups without a trace, the person decides; looking goes on. */
const LOOKUPS_BEFORE_ABSENT = 3;

/**
 * A key that nobody else makes: 14 random letters and digits, 72 bits. The core keeps ids of up to 15 characters
 * readable. Made by hand, because randomUUID is there in secure contexts only.
 */
export function newKey(): string {
  const letters = '0123456789abcdefghijklmnopqrstuvwxyz';
  let key = 'w';
  while (key.length < 15) {
    // Bytes from 252 on would make some letters likelier than others.
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) {
      if (byte < 252 && key.length < 15) key += letters[byte % 36];
    }
  }
  return key;
}

class Tickets {
  #tickets: Ticket[] = [];
  #listeners = new Set<() => void>();
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #owner = '';

  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  all = (): Ticket[] => this.#tickets;

  /** Takes up what this person left without an answer. */
  begin(owner: string): void {
    if (this.#owner === owner) return;
    this.#owner = owner;
    this.#clear(`${KEPT}.${owner}`);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    let kept: OrderDraft[] = [];
    try {
      const found: unknown = JSON.parse(sessionStorage.getItem(`${KEPT}.${owner}`) ?? '[]');
      if (Array.isArray(found)) kept = found as OrderDraft[];
    } catch {
      kept = [];
    }
    this.#tickets = kept.map((draft) => ({ draft, state: 'unknown', at: Date.now(), lookups: 0 }));
    for (const ticket of this.#tickets) this.#lookLater(ticket);
    this.#tell();
  }

  /** Forgets everything: the person goes. */
  end(): void {
    this.#owner = '';
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#tickets = [];
    this.#clear();
    this.#tell();
  }

  /** Removes what is kept of everybody, but under this name. Versions before kept drafts for longer, in localStorage. */
  #clear(but?: string): void {
    for (const store of [() => sessionStorage, () => localStorage]) {
      try {
        const kept = store();
        for (const key of Object.keys(kept)) {
          if (key.startsWith(`${KEPT}.`) && (key !== but || kept === localStorage)) kept.removeItem(key);
        }
      } catch {
        // A browser that keeps nothing has nothing to forget.
      }
    }
  }

  async send(draft: OrderDraft): Promise<Ticket> {
    const key = draft.client_order_id;
    const old = this.#find(key);
    clearTimeout(this.#timers.get(key));
    const ticket: Ticket = { draft, state: 'placing', at: old?.at ?? Date.now(), lookups: 0 };
    this.#tickets = [ticket, ...this.#tickets.filter((t) => t.draft.client_order_id !== key)].slice(0, SHOWN);
    this.#tell();
    try {
      const placed = await placeOrder(draft);
      return this.#put(key, { state: 'accepted', orderId: placed.order_id, repeated: placed.repeated });
    } catch (error) {
      const unknown = !(error instanceof ApiError) || error.unknown;
      const put = this.#put(key, { state: unknown ? 'unknown' : 'refused', error });
      if (unknown) this.#lookLater(put);
      return put;
    }
  }

  dismiss(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    this.#tickets = this.#tickets.filter((t) => t.draft.client_order_id !== key);
    this.#tell();
  }

  #find(key: string): Ticket | undefined {
    return this.#tickets.find((t) => t.draft.client_order_id === key);
  }

  #put(key: string, change: Partial<Ticket>): Ticket {
    let put: Ticket | undefined;
    this.#tickets = this.#tickets.map((t) => (t.draft.client_order_id === key ? (put = { ...t, ...change }) : t));
    this.#tell();
    return put ?? { draft: { client_order_id: key } as OrderDraft, state: 'unknown', at: 0, lookups: 0, ...change };
  }

  #lookLater(ticket: Ticket): void {
    const key = ticket.draft.client_order_id;
    const wait = Math.min(LOOKUP_MS.most, LOOKUP_MS.least * 1.7 ** ticket.lookups);
    this.#timers.set(
      key,
      setTimeout(() => void this.#look(key), wait),
    );
  }

  async #look(key: string): Promise<void> {
    const ticket = this.#find(key);
    if (!ticket || (ticket.state !== 'unknown' && ticket.state !== 'absent')) return;
    const lookups = ticket.lookups + 1;
    try {
      const outcome = await orderByKey(ticket.draft);
      if (this.#find(key)?.state === 'placing') return;
      if (outcome) {
        const state = outcome.reject ? 'refused' : 'resolved';
        this.#put(key, { state, orderId: outcome.orderId, reject: outcome.reject, error: undefined, lookups });
        return;
      }
      this.#lookLater(this.#put(key, { state: lookups >= LOOKUPS_BEFORE_ABSENT ? 'absent' : 'unknown', lookups }));
    } catch {
      if (this.#find(key)) this.#lookLater(this.#put(key, { lookups }));
    }
  }

  #tell(): void {
    const open = this.#tickets.filter((t) => ['placing', 'unknown', 'absent'].includes(t.state)).map((t) => t.draft);
    try {
      if (this.#owner) sessionStorage.setItem(`${KEPT}.${this.#owner}`, JSON.stringify(open));
    } catch {
      // Without storage a reload forgets; the orders page still shows what stands.
    }
    for (const listener of this.#listeners) listener();
  }
}

export const tickets = new Tickets();
