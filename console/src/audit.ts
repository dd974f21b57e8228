// The audit trail: what people and programs did, asked for by what is known of it.

import { get, list, num, str, type Obj, type Page } from './http';

/** What is asked for; empty = any. Every one that is given must hold. */
export interface AuditFilter {
  principal: string;
  name: string;
  /** Exact, or the beginning of several: `user.*`. */
  action: string;
  outcome: string;
  account: string;
  address: string;
  /** A day, or a day and a time, of China. */
  from: string;
  to: string;
  text: string;
}
export const AUDIT_FIELDS = [
  'principal',
  'name',
  'action',
  'outcome',
  'account',
  'address',
  'from',
  'to',
  'text',
] as const satisfies readonly (keyof AuditFilter)[];
export const OUTCOMES = ['allowed', 'denied', 'done', 'failed'] as const;

export interface AuditRow {
  number: string;
  at: string | undefined;
  principal: string;
  name: string;
  credential: string;
  action: string;
  resource: string;
  outcome: string;
  detail: string;
  address: string;
  times: number;
  /** Its place in the evidence log; null = not there yet; undefined = the server does not tell. */
  leaf: number | null | undefined;
}

const readRow = (from: Obj): AuditRow => ({
  number: str(from['number']) ?? '',
  at: str(from['at']),
  principal: str(from['principal']) ?? '',
  name: str(from['name']) ?? '',
  credential: str(from['credential']) ?? '',
  action: str(from['action']) ?? '',
  resource: str(from['resource']) ?? '',
  outcome: str(from['outcome']) ?? '',
  detail: str(from['detail']) ?? '',
  address: str(from['address']) ?? '',
  times: num(from['times']) ?? 1,
  leaf: from['leaf'] === null ? null : num(from['leaf']),
});

/** Browsers leave seconds out that are zero. */
const whole = (instant: string): string => (/T\d\d:\d\d$/.test(instant) ? `${instant}:00` : instant);

/** Rows that are shown at once. */
const ROWS = 100;
/** A search for text looks at a stretch of the trail in each answer, so some answers hold nothing and go on. */
const ANSWERS_MAX = 20;

/** The rows before `before`, newest first: a page of them, or all there are. */
export async function audit(
  filter: AuditFilter,
  before: string | undefined,
  signal?: AbortSignal,
): Promise<Page<AuditRow>> {
  const query = { ...filter, from: whole(filter.from), to: whole(filter.to), limit: ROWS };
  const rows: AuditRow[] = [];
  let next = before;
  for (let answers = 0; answers < ANSWERS_MAX && rows.length < ROWS; answers += 1) {
    const from = await get<Obj>('/v1/audit', { ...query, before: next }, signal);
    rows.push(...list(from['rows']).map(readRow));
    next = str(from['next_before']);
    if (next === undefined) break;
  }
  return { rows, next };
}
