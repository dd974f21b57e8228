// The only file that knows the shape of the server's answers. Fields that are missing become undefined and are shown
// as –, fields that are unknown are ignored, so a server that is a little older or newer still works.

import { ApiError, type Json, type Obj, first, firstNum, firstStr, get, list, millis, num, obj, request, str } from './http';
import { readChallenge, type Challenge } from './security';

export * from './http';

// ---------------------------------------------------------------------------------------------------------------------
// Who

export interface Me {
  id?: string;
  kind?: string;
  name: string;
  roles: string[];
  /** Account numbers; empty for staff who may see all. */
  accounts: string[];
  /** What the policy lets this person do at all; undefined if the server does not tell. */
  actions?: string[];
  /** What holds this session back; none = nothing. */
  scopes?: string[];
}

function readMe(value: unknown): Me {
  const from = obj(first(value, 'principal')) ?? obj(value) ?? {};
  const accounts = from['accounts'];
  const me: Me = {
    name: str(from['name']) ?? str(from['user']) ?? '–',
    roles: Array.isArray(from['roles']) ? from['roles'].map(String) : [],
    accounts: Array.isArray(accounts)
      ? accounts.map((a) => str(a) ?? str(obj(a)?.['account']) ?? '').filter((a) => a !== '' && a !== '*')
      : [],
  };
  const actions = first(value, 'actions');
  if (Array.isArray(actions)) me.actions = actions.map(String);
  const id = str(from['id']);
  const kind = str(from['kind']);
  if (id !== undefined) me.id = id;
  if (kind !== undefined) me.kind = kind;
  if (Array.isArray(from['scopes'])) me.scopes = from['scopes'].map(String);
  return me;
}

/** Whether one of the person's roles is among these. */
export const may = (me: Me, ...roles: string[]): boolean => roles.some((role) => me.roles.includes(role));

/** What would do beside the password. */
export interface SecondFactors {
  totp: boolean;
  recovery: boolean;
  passkey: Challenge | undefined;
}
/** What a person brings beside the password. */
export type SecondFactor = { totp: string } | { recovery_code: string } | { passkey: { id: string; credential: Obj } };
/** In; or a second factor is needed; or the password has to be changed, or a factor to be enrolled, first. */
export type SignIn =
  | { state: 'in'; me: Me }
  | { state: 'code'; factors: SecondFactors }
  | { state: 'change' }
  | { state: 'enrol' };

/** Signs in; the session comes as a cookie that scripts cannot read. */
export async function signIn(user: string, password: string, factor?: SecondFactor): Promise<SignIn> {
  const answer = await request<Obj>('POST', '/v1/sign-in', {
    body: { user, password, ...factor, cookie_only: true },
    quiet: true,
  });
  if ((answer['second_factor_required'] ?? answer['totp_required']) === true) {
    const factors = {
      totp: answer['totp_required'] === true,
      recovery: answer['recovery_possible'] === true,
      passkey: readChallenge(answer['passkey']),
    };
    return { state: 'code', factors };
  }
  if (answer['password_change_required'] === true) return { state: 'change' };
  if (answer['totp_enrolment_required'] === true) return { state: 'enrol' };
  return { state: 'in', me: await me() };
}

export const signOut = (): Promise<void> => request('POST', '/v1/sign-out', { quiet: true });
export const me = async (): Promise<Me> => readMe(await request<Json>('GET', '/v1/me', { quiet: true }));

// ---------------------------------------------------------------------------------------------------------------------
// Orders

export type Side = 'buy' | 'sell';
export const ORDER_TYPES = [
  'limit',
  'best5-or-cancel',
  'best5-or-limit',
  'own-best',
  'opposite-best',
  'immediate-or-cancel',
  'fill-or-kill',
  'after-hours-fixed',
  'at-auction-limit',
  'enhanced-limit',
] as const;
export const LIVE_STATES = ['routed', 'sent-unknown', 'working', 'partly-filled', 'pending-cancel'];

export interface Reject {
  code?: number | undefined;
  code_name?: string | undefined;
  title?: string | undefined;
  title_zh?: string | undefined;
}

export interface Order {
  order_id: string;
  account?: string;
  client_order_id?: string;
  trade_date?: string;
  symbol?: string;
  side?: Side;
  type?: string;
  price?: string;
  quantity?: string;
  filled?: string;
  value?: string;
  fees?: string;
  status?: string;
  reason?: string | null;
  reject?: Reject | null;
  risk_rule?: number | null;
  parent?: string | null;
  sequence?: number;
  changed_sequence?: number;
  placed_at?: string;
  changed_at?: string;
  fills?: Fill[];
}

export interface Fill {
  trade_id?: string;
  order_id?: string;
  account?: string;
  symbol?: string;
  sequence?: number;
  filled_at?: string;
  time?: string;
  side?: Side;
  price?: string;
  quantity?: string;
  amount?: string;
  commission?: string;
  stamp?: string;
  transfer?: string;
  cash?: string;
}

export interface OrderDraft {
  account: string;
  client_order_id: string;
  trade_date?: string;
  symbol: string;
  side: Side;
  type: string;
  price?: string;
  quantity: string;
}

export interface Page<T> {
  rows: T[];
  asOf?: number | undefined;
  nextBefore?: string | undefined;
  nextAfter?: string | undefined;
}

function page<T>(value: Obj, name: string): Page<T> {
  return {
    rows: (Array.isArray(value[name]) ? value[name] : []) as unknown as T[],
    asOf: num(value['as_of_sequence']),
    nextBefore: str(value['next_before'] ?? undefined),
    nextAfter: str(value['next_after'] ?? undefined),
  };
}

export interface OrderFilter {
  account?: string | undefined;
  status?: string | undefined;
  symbol?: string | undefined;
  side?: string | undefined;
  trade_date?: string | undefined;
  before?: string | undefined;
  limit?: number | undefined;
  min_sequence?: number | undefined;
}

export const orders = async (filter: OrderFilter, signal?: AbortSignal): Promise<Page<Order>> =>
  page(await get<Obj>('/v1/orders', { ...filter }, signal), 'orders');
export const order = (id: string, minSequence?: number, signal?: AbortSignal): Promise<Order> =>
  get(`/v1/orders/${encodeURIComponent(id)}`, { min_sequence: minSequence }, signal);
export const fills = async (filter: OrderFilter & { order?: string }, signal?: AbortSignal): Promise<Page<Fill>> =>
  page(await get<Obj>('/v1/fills', { ...filter }, signal), 'fills');

export interface Placed {
  order_id: string;
  sequence?: number | undefined;
  status?: string | undefined;
  repeated?: boolean | undefined;
}

/** Places an order. The same draft, sent again, is never a second order: its key stands in `client_order_id`. */
export const placeOrder = (draft: OrderDraft): Promise<Placed> =>
  request('POST', '/v1/orders', { body: draft, timeoutMs: 8_000 });

export interface Outcome {
  orderId?: string | undefined;
  /** Why it was refused; undefined if it was accepted. */
  reject?: Reject | undefined;
}

/** What became of an order that was sent, by its key; null if the core does not know the key. */
export async function orderByKey(draft: OrderDraft): Promise<Outcome | null> {
  try {
    const answer = await get<Obj>('/v1/orders/by-key', {
      account: draft.account,
      trade_date: draft.trade_date,
      client_order_id: draft.client_order_id,
    });
    const found = obj(answer['order']) ?? answer;
    const reject = obj(found['reject']) as Reject | undefined;
    const orderId = str(found['order_id']);
    return orderId !== undefined || reject || found['outcome'] === 'refused'
      ? { orderId, reject: reject ?? (found['outcome'] === 'refused' ? {} : undefined) }
      : null;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const cancelOrder = (account: string, id: string): Promise<Obj> =>
  request('POST', `/v1/orders/${encodeURIComponent(id)}/cancel`, { body: { account } });
export const cancelAll = (account: string, symbol?: string): Promise<Obj> =>
  request('POST', '/v1/orders/cancel-all', { body: symbol ? { account, symbol } : { account } });

export interface Estimate {
  /** undefined = the server did not say. */
  accepted?: boolean | undefined;
  reject?: Reject | undefined;
  amount?: string | undefined;
  fees?: string | undefined;
  hold?: string | undefined;
}

export async function estimate(draft: Omit<OrderDraft, 'client_order_id'>, signal?: AbortSignal): Promise<Estimate> {
  // An estimate takes no key, so it has no trade date.
  const { trade_date: _, ...body } = draft;
  const answer = await request<Obj>('POST', '/v1/orders/estimate', { body, signal });
  const feeParts = obj(answer['fees']);
  const accepted = first(answer, 'accepted', 'would_accept', 'passes', 'ok');
  return {
    accepted: typeof accepted === 'boolean' ? accepted : undefined,
    reject: obj(first(answer, 'reject', 'refusal')) as Reject | undefined,
    amount: firstStr(answer, 'amount', 'value', 'notional'),
    fees: feeParts ? firstStr(feeParts, 'total') : firstStr(answer, 'fees', 'fees_total', 'fee'),
    hold: draft.side === 'sell' ? firstStr(answer, 'hold_quantity', 'hold') : firstStr(answer, 'hold_cash', 'hold'),
  };
}

export interface BuyingPower {
  quantity?: string | undefined;
  cash?: string | undefined;
  sellable?: string | undefined;
}

export async function buyingPower(
  account: string,
  symbol: string,
  side: Side,
  price: string | undefined,
  signal?: AbortSignal,
): Promise<BuyingPower> {
  const answer = await get<Obj>(
    `/v1/accounts/${encodeURIComponent(account)}/buying-power`,
    { symbol, side, price },
    signal,
  );
  return {
    quantity:
      side === 'buy'
        ? firstStr(answer, 'buy_max', 'quantity_max')
        : firstStr(answer, 'sell_max', 'quantity_max', 'sellable'),
    cash: firstStr(answer, 'cash_available', 'buying_power', 'available'),
    sellable: firstStr(answer, 'sellable'),
  };
}

export interface Check {
  name: string;
  passed?: boolean | undefined;
  input: [string, string][];
}
export interface Step {
  sequence?: number | undefined;
  time?: string | undefined;
  what: string;
  before?: string | undefined;
  after?: string | undefined;
  reject: Reject | undefined;
  facts: [string, string][];
  checks: Check[];
}

const plain = (value: Json | undefined): string =>
  value === null || value === undefined ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value);

function readCheck(value: Obj): Check {
  const passed = first(value, 'passed', 'ok', 'pass');
  const outcome = firstStr(value, 'outcome', 'result');
  const input = first(value, 'input', 'inputs');
  const rows: [string, string][] = obj(input)
    ? Object.entries(obj(input) as Obj).map(([k, v]) => [k, plain(v)])
    : list(input).map((i) => [str(i['name']) ?? '', plain(i['value'])]);
  const used = ['name', 'check', 'passed', 'ok', 'pass', 'outcome', 'result', 'input', 'inputs'];
  const more = Object.entries(value)
    .filter(([k]) => !used.includes(k))
    .map(([k, v]): [string, string] => [k, plain(v)]);
  return {
    name: firstStr(value, 'name', 'check') ?? '–',
    passed:
      typeof passed === 'boolean'
        ? passed
        : outcome === undefined
          ? undefined
          : /^(pass|passed|ok|accepted)$/.test(outcome),
    input: [...rows, ...more],
  };
}

export async function timeline(id: string, signal?: AbortSignal): Promise<Step[]> {
  const answer = await get<Obj>(`/v1/orders/${encodeURIComponent(id)}/timeline`, {}, signal);
  const topChecks = list(first(answer, 'placing.checks', 'checks')).map(readCheck);
  const steps = list(first(answer, 'timeline', 'steps', 'events', 'entries')).map((step): Step => {
    const used = [
      'sequence',
      'index',
      'time',
      'at',
      'event',
      'what',
      'kind',
      'type',
      'checks',
      'data',
      'facts',
      'detail',
      'reject',
      'status_before',
      'status_after',
      'order_id',
      'account',
      'client_order_id',
      'trade_date',
      'symbol',
      'side',
      'order_type',
    ];
    const inner = obj(first(step, 'event', 'data', 'facts'));
    const facts = Object.entries({ ...step, ...inner })
      .filter(([k, v]) => !used.includes(k) && v !== null && v !== undefined)
      .map(([k, v]): [string, string] => [k, plain(v)]);
    return {
      sequence: num(step['sequence']),
      time: firstStr(step, 'time', 'at'),
      what: firstStr(inner, 'type') ?? firstStr(step, 'event', 'what', 'kind', 'type') ?? '–',
      before: firstStr(step, 'status_before'),
      after: firstStr(step, 'status_after'),
      reject: (obj(first(inner, 'reject')) ?? obj(step['reject'])) as Reject | undefined,
      facts,
      checks: list(step['checks']).map(readCheck),
    };
  });
  const head = steps[0];
  if (head && topChecks.length > 0 && steps.every((step) => step.checks.length === 0)) head.checks = topChecks;
  return steps;
}

// ---------------------------------------------------------------------------------------------------------------------
// Accounts and instruments

export interface Cash {
  currency?: string;
  balance?: string;
  frozen?: string;
  available?: string;
  available_hk?: string;
  due_next_day?: string;
  due_later?: string;
  withdrawable?: string;
}
export interface Holding {
  symbol?: string;
  total?: string;
  sellable?: string;
  frozen?: string;
  unsellable?: string;
  last?: string;
  value?: string;
}
export interface Account {
  account: string;
  kind?: string;
  status?: string;
  stopped?: boolean;
  commission?: string;
  balance?: string;
  open_orders?: number;
  cash?: Cash[];
  holdings?: Holding[];
  more_holdings?: boolean;
  as_of_sequence?: number;
}

export const accounts = async (
  query: { after?: string | undefined; limit?: number },
  signal?: AbortSignal,
): Promise<Page<Account>> => page(await get<Obj>('/v1/accounts', query, signal), 'accounts');
export const account = (id: string, minSequence?: number, signal?: AbortSignal): Promise<Account> =>
  get(`/v1/accounts/${encodeURIComponent(id)}`, { min_sequence: minSequence }, signal);

export interface Instrument {
  symbol: string;
  name?: string;
  name_zh?: string;
  board?: string;
  class?: string;
  currency?: string;
  board_lot?: string | null;
  prev_close?: string | null;
  limit_up?: string | null;
  limit_down?: string | null;
  tick?: string | null;
  risk_warning?: boolean;
  suspended?: boolean;
  halted?: boolean;
  phase?: string | null;
}
export interface Listing {
  tradeDate?: string | undefined;
  dayOpen?: boolean | undefined;
  instruments: Instrument[];
}

/** All instruments, page by page, at most 20,000. */
export async function instruments(signal?: AbortSignal): Promise<Listing> {
  const listing: Listing = { instruments: [] };
  let after: string | undefined;
  do {
    const answer: Obj = await get<Obj>('/v1/instruments', { limit: 1000, after }, signal);
    const part: Page<Instrument> = page(answer, 'instruments');
    listing.instruments.push(...part.rows);
    listing.tradeDate = str(answer['trade_date'] ?? undefined);
    listing.dayOpen = answer['day_open'] === true;
    after = part.nextAfter;
  } while (after !== undefined && listing.instruments.length < 20_000);
  return listing;
}

// ---------------------------------------------------------------------------------------------------------------------
// Market

/** What is told of an instrument besides its book. All are decimal text. */
export interface Quote {
  symbol: string;
  name?: string | undefined;
  last?: string | undefined;
  prev_close?: string | undefined;
  open?: string | undefined;
  high?: string | undefined;
  low?: string | undefined;
  change?: string | undefined;
  change_percent?: string | undefined;
  volume?: string | undefined;
  turnover?: string | undefined;
  limit_up?: string | undefined;
  limit_down?: string | undefined;
  phase?: string | undefined;
  time?: string | undefined;
}
export type Level = [price: string, quantity: string, orders: number | undefined];
export interface Tick {
  id?: string | undefined;
  time?: string | undefined;
  price: string;
  quantity: string;
  /** The side that took. */
  side?: string | undefined;
}
export interface Candle {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  turnover?: number | undefined;
}

/** The fields of a quote that are there; a change of 0.0123 stands for 1.23 %. */
export function readQuote(value: Obj, symbol?: string): Quote {
  const quote: Quote = { symbol: str(value['symbol']) ?? symbol ?? '' };
  const lastTrade = obj(value['last']);
  const put = (key: keyof Quote, ...paths: string[]): void => {
    const found = firstStr(value, ...paths);
    if (found !== undefined) quote[key] = found;
  };
  if (lastTrade) quote.last = str(lastTrade['price']);
  else put('last', 'last', 'last_price', 'close');
  put('name', 'name');
  put('prev_close', 'prev_close', 'reference', 'previous_close');
  put('open', 'open');
  put('high', 'high');
  put('low', 'low');
  put('change', 'change');
  put('change_percent', 'change_percent', 'change_pct', 'percent');
  put('volume', 'volume');
  put('turnover', 'turnover');
  put('limit_up', 'limit_up');
  put('limit_down', 'limit_down');
  put('phase', 'phase');
  put('time', 'time', 'last_time');
  return quote;
}

export const readLevels = (value: unknown): Level[] =>
  (Array.isArray(value) ? value : []).map((item): Level => {
    if (Array.isArray(item)) return [str(item[0]) ?? '', str(item[1]) ?? '0', num(item[2])];
    const from = obj(item) ?? {};
    return [str(from['price']) ?? '', firstStr(from, 'quantity', 'qty') ?? '0', num(from['orders'])];
  });

export const readTicks = (value: unknown): Tick[] =>
  (Array.isArray(value) ? value : []).map((item): Tick => {
    if (Array.isArray(item)) {
      return { time: str(item[0]), price: str(item[1]) ?? '', quantity: str(item[2]) ?? '', side: str(item[3]) };
    }
    const from = obj(item) ?? {};
    return {
      id: firstStr(from, 'trade_id', 'id'),
      time: firstStr(from, 'time', 'at', 'traded_at'),
      price: str(from['price']) ?? '',
      quantity: firstStr(from, 'quantity', 'qty') ?? '',
      side: firstStr(from, 'side', 'taker', 'aggressor'),
    };
  });

export const market = async (signal?: AbortSignal): Promise<Quote[]> => {
  const quotes: Quote[] = [];
  let after: string | undefined;
  do {
    const answer: Obj = await get<Obj>('/v1/market', { limit: 1000, after }, signal);
    quotes.push(...list(first(answer, 'items', 'instruments')).map((row) => readQuote(row)));
    after = str(answer['next_after'] ?? undefined);
  } while (after !== undefined && quotes.length < 20_000);
  return quotes;
};
export const trades = async (symbol: string, limit: number, signal?: AbortSignal): Promise<Tick[]> => {
  const answer = await get<Obj>(`/v1/market/${encodeURIComponent(symbol)}/trades`, { limit }, signal);
  return readTicks(first(answer, 'items', 'trades'));
};

export const PERIODS = ['1m', '5m', '15m', '30m', '60m', '1d', '1w', '1M'] as const;
export type Period = (typeof PERIODS)[number];
export const ADJUSTS = ['none', 'forward', 'backward'] as const;
export type Adjust = (typeof ADJUSTS)[number];

/** A week or month is told by its last date so far, which moves; here it stands at its first day, which does not. */
function anchored(time: number, period: Period): number {
  if (period !== '1w' && period !== '1M') return time;
  const date = new Date(time + 8 * 3_600_000);
  const back = period === '1w' ? (date.getUTCDay() + 6) % 7 : date.getUTCDate() - 1;
  return time - back * 86_400_000;
}

/** Bars, oldest first, at most the newest `limit` up to the day of `to`. */
export async function candles(
  symbol: string,
  period: Period,
  adjust: Adjust,
  query: { to?: number | undefined; limit: number },
  signal?: AbortSignal,
): Promise<Candle[]> {
  const to = query.to === undefined ? undefined : new Date(query.to + 8 * 3_600_000).toISOString().slice(0, 10);
  const answer = await get<Obj>(
    `/v1/market/${encodeURIComponent(symbol)}/candles`,
    { period, adjust, limit: query.limit, to },
    signal,
  );
  const bars = list(first(answer, 'items', 'candles')).flatMap((bar) => {
    const told = millis(first(bar, 'time', 'from', 'date'));
    const time = told === undefined ? undefined : anchored(told, period);
    const [open, high, low, close] = [num(bar['open']), num(bar['high']), num(bar['low']), num(bar['close'])];
    if (time === undefined || open === undefined || high === undefined || low === undefined || close === undefined)
      return [];
    return [{ time, open, high, low, close, volume: num(bar['volume']) ?? 0, turnover: num(bar['turnover']) }];
  });
  return bars.sort((a, b) => a.time - b.time);
}

export interface Intraday {
  prevClose?: number | undefined;
  points: { time: number; price: number | null; average: number | null; volume: number }[];
}
export async function intraday(symbol: string, signal?: AbortSignal): Promise<Intraday> {
  const answer = await get<Obj>(`/v1/market/${encodeURIComponent(symbol)}/intraday`, {}, signal);
  return {
    prevClose: firstNum(answer, 'prev_close', 'reference'),
    points: list(first(answer, 'items', 'points')).flatMap((point) => {
      const time = millis(first(point, 'time', 'at', 'minute'));
      if (time === undefined) return [];
      return [
        {
          time,
          price: firstNum(point, 'price', 'last', 'close') ?? null,
          average: firstNum(point, 'average', 'average_price', 'avg', 'vwap') ?? null,
          volume: num(point['volume']) ?? 0,
        },
      ];
    }),
  };
}

export interface Flow {
  size: 'large' | 'medium' | 'small';
  bought?: string | undefined;
  sold?: string | undefined;
  net?: string | undefined;
}
export interface FundFlow {
  sizes: Flow[];
  /** Net flow so far, by the minute. */
  points: { time: number; large: number; medium: number; small: number }[];
}
export async function fundFlow(symbol: string, signal?: AbortSignal): Promise<FundFlow> {
  const answer = await get<Obj>(`/v1/market/${encodeURIComponent(symbol)}/fund-flow`, {}, signal);
  const total = obj(first(answer, 'totals', 'total', 'flow', 'fund_flow')) ?? answer;
  const listed = list(first(answer, 'sizes', 'classes', 'flows'));
  const sizes = (['large', 'medium', 'small'] as const).map((size): Flow => {
    const from = obj(total[size]) ?? listed.find((row) => row['size'] === size || row['class'] === size) ?? {};
    return {
      size,
      bought: firstStr(from, 'buy', 'bought', 'in', 'inflow'),
      sold: firstStr(from, 'sell', 'sold', 'out', 'outflow'),
      net: firstStr(from, 'net'),
    };
  });
  let [large, medium, small] = [0, 0, 0];
  const points = list(first(answer, 'items', 'points')).flatMap((point) => {
    const time = millis(first(point, 'time', 'at', 'minute'));
    if (time === undefined) return [];
    large += num(point['large_net']) ?? 0;
    medium += num(point['medium_net']) ?? 0;
    small += num(point['small_net']) ?? 0;
    return [{ time, large, medium, small }];
  });
  return { sizes, points };
}

// ---------------------------------------------------------------------------------------------------------------------
// The system

export interface Role {
  name: string;
  nameZh?: string | undefined;
  owns?: string | undefined;
  /** Whether it runs in the process that answers. */
  here: boolean;
}
/** A part of the process and its word about itself. */
export interface Part {
  name: string;
  well: boolean;
  detail: string;
}
export interface System {
  asOf?: number | undefined;
  version?: string | undefined;
  startedAt?: string | undefined;
  uptimeS?: number | undefined;
  marketTime?: string | undefined;
  healthy: boolean;
  lagMs?: number | undefined;
  roles: Role[];
  parts: Part[];
  core: [string, string][];
  versions: [string, string][];
  limits: [string, string][];
}

/** Leaves of a document as `a.b` and text. */
function leaves(value: Json | undefined, prefix = ''): [string, string][] {
  const from = obj(value);
  if (from === undefined) return prefix === '' ? [] : [[prefix, plain(value)]];
  return Object.entries(from).flatMap(([key, inner]) => leaves(inner, prefix === '' ? key : `${prefix}.${key}`));
}

const pairs = (value: Json | undefined): [string, string][] =>
  Array.isArray(value) ? list(value).map((row) => [str(row['name']) ?? '–', plain(row['value'])]) : leaves(value);

export async function system(signal?: AbortSignal): Promise<System> {
  const answer = await get<Obj>('/v1/system', {}, signal);
  const parts = list(answer['parts']).map((part): Part => ({
    name: str(part['name']) ?? '–',
    well: part['well'] !== false,
    detail: str(part['detail']) ?? '',
  }));
  const version = firstStr(answer, 'version');
  const level = firstStr(answer, 'engine_level');
  return {
    asOf: firstNum(answer, 'core.durable_sequence', 'as_of_sequence'),
    version,
    startedAt: firstStr(answer, 'started_at'),
    uptimeS: firstNum(answer, 'uptime_s'),
    marketTime: firstStr(answer, 'market_time'),
    healthy:
      firstStr(answer, 'status') === 'ok' || (answer['status'] === undefined && parts.every((part) => part.well)),
    lagMs: firstNum(answer, 'lag_ms'),
    roles: list(answer['roles']).map((role): Role => ({
      name: str(role['name']) ?? '–',
      nameZh: str(role['name_zh']),
      owns: str(role['owns']),
      here: role['here'] !== false,
    })),
    parts,
    core: leaves(answer['core']),
    versions: [
      ...(version === undefined ? [] : [['heng', version] as [string, string]]),
      ...(level === undefined ? [] : [['engine_level', level] as [string, string]]),
      ...pairs(answer['versions']),
    ],
    limits: pairs(answer['limits']),
  };
}

/** One second of the system's life. */
export interface Stats {
  time: number;
  ordersPerS?: number | undefined;
  tradesPerS?: number | undefined;
  commandsPerS?: number | undefined;
  requestsPerS?: number | undefined;
  /** Microseconds to the durable answer. */
  p50Us?: number | undefined;
  p99Us?: number | undefined;
  sessions?: number | undefined;
  subscribers?: number | undefined;
  fixSessions?: number | undefined;
  lagMs?: number | undefined;
}

function readStats(point: Obj): Stats {
  return {
    time: millis(point['time']) ?? 0,
    ordersPerS: num(point['orders_per_s']),
    tradesPerS: num(point['trades_per_s']),
    commandsPerS: num(point['commands_per_s']),
    requestsPerS: num(point['requests_per_s']),
    p50Us: num(point['ack_p50_us']),
    p99Us: num(point['ack_p99_us']),
    sessions: num(point['sessions']),
    subscribers: num(point['subscribers']),
    fixSessions: num(point['fix_sessions']),
    lagMs: num(point['lag_ms']),
  };
}

/** The last `seconds`, oldest first. */
export async function stats(seconds: number, signal?: AbortSignal): Promise<Stats[]> {
  const answer = await get<Obj>('/v1/system/stats', { seconds }, signal);
  return list(answer['history'])
    .map(readStats)
    .filter((point) => point.time > 0);
}

export interface LogLine {
  number: number;
  time?: string | undefined;
  level: string;
  target?: string | undefined;
  text: string;
}
export async function logs(since: number, signal?: AbortSignal): Promise<{ lines: LogLine[]; next: number }> {
  const answer = await get<Obj>('/v1/system/logs', { since, limit: 500 }, signal);
  const lines = list(answer['lines']).map((line): LogLine => ({
    number: num(line['number']) ?? 0,
    time: str(line['time']),
    level: (str(line['level']) ?? 'info').toLowerCase(),
    target: str(line['target']),
    text: firstStr(line, 'text', 'message') ?? '',
  }));
  return { lines, next: num(answer['next_since']) ?? lines[lines.length - 1]?.number ?? since };
}
