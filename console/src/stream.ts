// The market over WebSocket: books kept by snapshot and updates, gaps healed by resync, connections by back-off.

import { num, obj, readLevels, readQuote, readTicks, str, type Level, type Obj, type Quote, type Tick } from './api';

/** Trades that are kept for the tape. */
const TAPE_MAX = 80;
const PING_MS = 15_000;
/** Without any frame for so long the connection is taken for dead. */
const SILENT_MS = 35_000;
const BACK_OFF_MS = { least: 300, most: 15_000 };
/** A resync that is not answered is asked for again, then the connection is made anew. */
const RESYNC_MS = 3_000;

export type LinkState = 'off' | 'connecting' | 'live' | 'waiting';

/** What is known of one instrument. Replaced, never changed, so that a view sees that it changed. */
export interface Seen {
  symbol: string;
  seq: number;
  bids: Level[];
  asks: Level[];
  tape: Tick[];
  quote: Quote;
  /** Between a gap and the snapshot that heals it the book is not to be trusted. */
  stale: boolean;
}

interface Followed {
  watchers: number;
  seen: Seen;
  bids: Map<string, Level>;
  asks: Map<string, Level>;
  resyncAt: number;
  resyncs: number;
}

const fresh = (symbol: string): Followed => ({
  watchers: 0,
  seen: { symbol, seq: 0, bids: [], asks: [], tape: [], quote: { symbol }, stale: true },
  bids: new Map(),
  asks: new Map(),
  resyncAt: 0,
  resyncs: 0,
});

function sorted(levels: Map<string, Level>, ascending: boolean): Level[] {
  return [...levels.values()].sort((a, b) => (ascending ? 1 : -1) * (Number(a[0]) - Number(b[0])));
}

function apply(levels: Map<string, Level>, changes: Level[]): void {
  for (const level of changes) {
    if (Number(level[1]) === 0) levels.delete(level[0]);
    else levels.set(level[0], level);
  }
}

export class MarketStream {
  #socket: WebSocket | null = null;
  #followed = new Map<string, Followed>();
  #listeners = new Set<() => void>();
  #state: LinkState = 'off';
  #dropped = 0;
  #level = '';
  #time = { text: '', at: 0 };
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #nextId = 1;
  #closing: ReturnType<typeof setTimeout> | undefined;

  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  state = (): LinkState => this.#state;
  /** How often the server dropped this subscriber. */
  dropped = (): number => this.#dropped;
  /** `level1` shows five levels, `level2` ten; empty until it is told. */
  level = (): string => this.#level;
  /** The market's time of the last message, and when it came. */
  time = (): { text: string; at: number } => this.#time;
  seen = (symbol: string): Seen | undefined => this.#followed.get(symbol)?.seen;

  /** Follows an instrument until the returned function is called. */
  follow(symbol: string): () => void {
    const followed = this.#followed.get(symbol) ?? fresh(symbol);
    followed.watchers += 1;
    this.#followed.set(symbol, followed);
    clearTimeout(this.#closing);
    if (followed.watchers === 1 && this.#socket?.readyState === WebSocket.OPEN) this.#subscribe([symbol]);
    this.#open();
    return () => this.#leave(symbol);
  }

  /** Ends everything, for signing out. */
  stop(): void {
    this.#followed.clear();
    this.#shut('off');
  }

  #leave(symbol: string): void {
    const followed = this.#followed.get(symbol);
    if (!followed) return;
    followed.watchers -= 1;
    if (followed.watchers > 0) return;
    this.#followed.delete(symbol);
    this.#send({ op: 'unsubscribe', id: this.#nextId++, channel: 'market', symbols: [symbol] });
    // Pages change faster than connections should.
    if (this.#followed.size === 0) this.#closing = setTimeout(() => this.#shut('off'), 3_000);
  }

  #open(): void {
    if (this.#socket || this.#retry !== undefined) return;
    this.#set('connecting');
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/v1/stream`, 'heng.json.v1');
    this.#socket = socket;
    socket.onopen = () => {
      this.#heardAt = Date.now();
      this.#beat = setInterval(() => this.#check(), 1_000);
      this.#set('live');
      this.#subscribe([...this.#followed.keys()]);
    };
    socket.onmessage = (event: MessageEvent) => {
      this.#heardAt = Date.now();
      if (typeof event.data === 'string') this.#take(event.data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#again();
    };
  }

  #again(): void {
    this.#shut('waiting');
    for (const followed of this.#followed.values()) this.#stale(followed);
    this.#tell();
    if (this.#followed.size === 0) return this.#set('off');
    const ceiling = Math.min(BACK_OFF_MS.most, BACK_OFF_MS.least * 2 ** this.#failures);
    this.#failures += 1;
    // Full jitter keeps a thousand consoles from returning at once.
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#open();
      },
      ceiling * (0.5 + Math.random() / 2),
    );
  }

  #shut(state: LinkState): void {
    clearInterval(this.#beat);
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onclose = null;
      socket.onmessage = null;
      // Closing before the handshake ends would be told as an error on the console.
      if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close(1000);
      else socket.close(1000);
    }
    this.#set(state);
  }

  #check(): void {
    const now = Date.now();
    if (now - this.#heardAt > SILENT_MS) return this.#again();
    if (now - this.#heardAt > PING_MS) this.#send({ op: 'ping' });
    for (const followed of this.#followed.values()) {
      if (followed.seen.stale && followed.resyncAt > 0 && now - followed.resyncAt > RESYNC_MS) {
        if (followed.resyncs >= 3) return this.#again();
        this.#resync(followed);
      }
    }
  }

  #subscribe(symbols: string[]): void {
    if (symbols.length === 0) return;
    this.#send({
      op: 'subscribe',
      id: this.#nextId++,
      channel: 'market',
      symbols,
      what: ['depth', 'trades', 'snapshot'],
    });
  }

  #resync(followed: Followed): void {
    this.#stale(followed);
    followed.resyncAt = Date.now();
    followed.resyncs += 1;
    this.#send({ op: 'resync', symbol: followed.seen.symbol });
  }

  #stale(followed: Followed): void {
    if (!followed.seen.stale) followed.seen = { ...followed.seen, stale: true };
  }

  #send(message: unknown): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** A frame holds one message, or several in a list. */
  #take(text: string): void {
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#again();
    }
    const socket = this.#socket;
    for (const message of Array.isArray(frame) ? frame : [frame]) {
      this.#message(obj(message) ?? {});
      // A message may have ended the connection.
      if (this.#socket !== socket) return;
    }
    this.#tell();
  }

  #message(message: Obj): void {
    const time = str(message['time']);
    if (time !== undefined && time > this.#time.text) this.#time = { text: time, at: Date.now() };
    switch (message['type']) {
      case 'subscribed':
        this.#level = str(message['level']) ?? this.#level;
        return;
      case 'snapshot':
        this.#failures = 0;
        return this.#snapshot(message);
      case 'update':
        return this.#update(message);
      case 'dropped':
        this.#dropped += 1;
        return this.#again();
      default:
      // pong, error of a single request: nothing to keep.
    }
  }

  #snapshot(message: Obj): void {
    const followed = this.#followed.get(str(message['symbol']) ?? '');
    if (!followed) return;
    const depth = obj(message['depth']) ?? message;
    followed.bids.clear();
    followed.asks.clear();
    apply(followed.bids, readLevels(depth['bids']));
    apply(followed.asks, readLevels(depth['asks']));
    followed.resyncAt = 0;
    followed.resyncs = 0;
    const symbol = followed.seen.symbol;
    const told = { ...obj(message['stats']), ...(message['last'] === undefined ? {} : { last: message['last'] }) };
    const trades = readTicks(message['trades']);
    followed.seen = {
      ...followed.seen,
      seq: num(message['seq']) ?? 0,
      quote: { ...followed.seen.quote, ...readQuote(told, symbol), symbol },
      tape: trades.length > 0 ? trades.reverse().slice(0, TAPE_MAX) : followed.seen.tape,
      ...this.#levels(followed),
      stale: false,
    };
  }

  #update(message: Obj): void {
    const followed = this.#followed.get(str(message['symbol']) ?? '');
    if (!followed || followed.seen.stale) return;
    const seq = num(message['seq']) ?? 0;
    const before = num(message['prev_seq']) ?? seq - 1;
    if (seq <= followed.seen.seq) return;
    if (before !== followed.seen.seq) {
      this.#resync(followed);
      return;
    }
    apply(followed.bids, readLevels(message['bids']));
    apply(followed.asks, readLevels(message['asks']));
    const trades = readTicks(message['trades']);
    // Whoever is not told every trade is told the last one.
    if (trades.length === 0 && obj(message['last'])) trades.push(...readTicks([message['last']]));
    const last = trades[trades.length - 1];
    const symbol = followed.seen.symbol;
    const quote = { ...followed.seen.quote, ...readQuote(obj(message['stats']) ?? {}, symbol), symbol };
    if (last) quote.last = last.price;
    followed.seen = {
      ...followed.seen,
      seq,
      quote,
      tape: trades.length > 0 ? [...trades.reverse(), ...followed.seen.tape].slice(0, TAPE_MAX) : followed.seen.tape,
      ...this.#levels(followed),
    };
  }

  #levels(followed: Followed): { bids: Level[]; asks: Level[] } {
    return { bids: sorted(followed.bids, false), asks: sorted(followed.asks, true) };
  }

  #set(state: LinkState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export const marketStream = new MarketStream();
