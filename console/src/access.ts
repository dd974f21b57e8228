// Who may come in and what they may do: users, partners, their sessions and keys, changes of roles by two people, access
// reviews, and the policies.

import { get, list, obj, request, str, type Obj, type Page } from './http';
import { confirmed, type ApiKey, type Device } from './security';

const texts = (from: unknown): string[] => (Array.isArray(from) ? from.map(String) : []);

export interface Person {
  id: string;
  name: string;
  /** client, staff or partner. */
  kind: string;
  roles: string[];
  /** `*` alone = all. */
  accounts: string[];
  /** What a partner may ask for; empty = all that the role allows. */
  scopes: string[];
  totp: boolean | undefined;
  disabled: boolean;
  created: string | undefined;
  changed: string | undefined;
  /** When a session of theirs was last used, if the list tells it. */
  used: string | undefined;
}

const readUser = (from: Obj): Person => ({
  id: str(from['id']) ?? '',
  name: str(from['name']) ?? '',
  kind: str(from['kind']) ?? '',
  roles: texts(from['roles']),
  accounts: texts(from['accounts']),
  scopes: [],
  totp: typeof from['totp'] === 'boolean' ? from['totp'] : undefined,
  disabled: from['disabled'] === true,
  created: str(from['created_at']),
  changed: str(from['changed_at']),
  used: str(from['last_used_at']),
});
const readPartner = (from: Obj): Person => ({
  ...readUser(from),
  name: str(from['client_id']) ?? '',
  kind: 'partner',
  roles: ['partner'],
  scopes: texts(from['scopes']),
  totp: undefined,
});

/** Users from one on, up to a thousand. */
export async function users(after: string | undefined, signal?: AbortSignal): Promise<Page<Person>> {
  const rows: Person[] = [];
  let next = after;
  for (let pages = 0; pages < 5; pages += 1) {
    const from = await get<Obj>('/v1/users', { limit: 200, after: next }, signal);
    rows.push(...list(from['users']).map(readUser));
    next = str(from['next_after']);
    if (next === undefined) break;
  }
  return { rows, next };
}
/** All of them; there are few. */
export async function partners(signal?: AbortSignal): Promise<Person[]> {
  const rows: Person[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < 20; pages += 1) {
    const from = await get<Obj>('/v1/partners', { limit: 200, after }, signal);
    rows.push(...list(from['partners']).map(readPartner));
    after = str(from['next_after']);
    if (after === undefined) break;
  }
  return rows;
}
export const user = async (id: string, signal?: AbortSignal): Promise<Person> =>
  readUser(await get<Obj>(`/v1/users/${id}`, undefined, signal));
export async function partner(id: string, signal?: AbortSignal): Promise<Person | undefined> {
  return (await partners(signal)).find((one) => one.id === id);
}

export const shutOut = (who: Person): Promise<unknown> =>
  who.kind === 'partner'
    ? confirmed('disablePartner', 'DELETE', `/v1/partners/${who.id}`)
    : confirmed('disableUser', 'POST', `/v1/users/${who.id}/disable`);
export const letIn = (id: string): Promise<unknown> => confirmed('enableUser', 'POST', `/v1/users/${id}/enable`);
export const resetFactors = (id: string): Promise<unknown> =>
  confirmed('resetFactors', 'POST', `/v1/users/${id}/reset-factors`);
export const endSessionsOf = (id: string): Promise<unknown> => request('DELETE', `/v1/users/${id}/sessions`);

export interface Session extends Device {
  kind: string;
  began: string | undefined;
  ends: string | undefined;
}
export async function sessionsOf(id: string, signal?: AbortSignal): Promise<Session[]> {
  const from = await get<Obj>('/v1/sessions', { user: id, limit: 100 }, signal);
  return list(from['sessions']).map((one) => ({
    id: str(one['id']) ?? '',
    kind: str(one['kind']) ?? '',
    device: str(one['device']) ?? '',
    place: str(one['place']) ?? '',
    address: str(one['address']) ?? '',
    means: str(one['means']) ?? '',
    began: str(one['created_at']),
    used: str(one['used_at']),
    ends: str(one['expires_at']),
    current: one['current'] === true,
  }));
}
export async function keysOf(id: string, signal?: AbortSignal): Promise<(ApiKey & { networks: string[] })[]> {
  const from = await get<Obj>('/v1/api-keys', { user: id, limit: 100 }, signal);
  return list(from['keys']).map((one) => ({
    id: str(one['id']) ?? '',
    name: str(one['name']) ?? '',
    kind: str(one['kind']) ?? '',
    scopes: texts(one['scopes']),
    networks: texts(one['networks']),
    created: str(one['created_at']),
    expires: str(one['expires_at']),
  }));
}

const latest = (instants: (string | undefined)[]): string | undefined =>
  // All come in one form and with one offset, so the order of the texts is that of the instants.
  instants
    .filter((one) => one !== undefined)
    .sort()
    .at(-1);

/** People whose last use is asked for at once, and questions under way at the same time. */
const ASKED = { people: 60, together: 4 };
/** When these people last used a session, as far as their live sessions and the newest access review tell. */
export async function lastUses(ids: string[], signal?: AbortSignal): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const note = (id: string, used: string | undefined): void => {
    const both = latest([found.get(id), used]);
    if (both !== undefined) found.set(id, both);
  };
  const newest = (await reviews(signal)).rows[0];
  if (newest) for (const item of (await reviewItems(newest.id, undefined, signal)).rows) note(item.user, item.used);
  const waiting = ids.slice(0, ASKED.people);
  const ask = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift())
      note(id, latest((await sessionsOf(id, signal)).map((one) => one.used)));
  };
  await Promise.all(Array.from({ length: ASKED.together }, ask));
  return found;
}

// ---------------------------------------------------------------------------------------------------------------------
// Changes of roles

export interface RoleChange {
  id: string;
  user: string;
  roles: string[];
  accounts: string[];
  reason: string;
  /** proposed, approved or declined. */
  state: string;
  by: string;
  at: string | undefined;
  decidedBy: string | undefined;
  decidedAt: string | undefined;
}
export async function roleChanges(before?: string, signal?: AbortSignal): Promise<Page<RoleChange>> {
  const from = await get<Obj>('/v1/role-changes', { limit: 100, before }, signal);
  const rows = list(from['changes']).map((one) => ({
    id: str(one['id']) ?? '',
    user: str(one['user']) ?? '',
    roles: texts(one['roles']),
    accounts: texts(one['accounts']),
    reason: str(one['reason']) ?? '',
    state: str(one['state']) ?? '',
    by: str(one['proposed_by']) ?? '',
    at: str(one['proposed_at']),
    decidedBy: str(one['decided_by']),
    decidedAt: str(one['decided_at']),
  }));
  return { rows, next: str(from['next_before']) };
}
export interface WantedRoles {
  user: string;
  roles: string[];
  accounts: string[];
  reason: string;
}
export const proposeRoles = (wanted: WantedRoles): Promise<Obj> =>
  confirmed('proposeRoles', 'POST', '/v1/role-changes', wanted);
export const decideRoles = (id: string, decision: 'approve' | 'decline'): Promise<Obj> =>
  confirmed('decideRoles', 'POST', `/v1/role-changes/${id}`, { decision });

// ---------------------------------------------------------------------------------------------------------------------
// Access reviews

export interface Review {
  id: string;
  by: string;
  begun: string | undefined;
  due: string | undefined;
  open: number;
  overdue: boolean;
}
export interface ReviewItem {
  user: string;
  name: string;
  kind: string;
  roles: string[];
  accounts: string[];
  used: string | undefined;
  /** open, confirmed or revoked. */
  state: string;
  decidedBy: string | undefined;
  decidedAt: string | undefined;
}
export async function reviews(signal?: AbortSignal): Promise<Page<Review>> {
  const from = await get<Obj>('/v1/access-reviews', { limit: 50 }, signal);
  const rows = list(from['reviews']).map((one) => ({
    id: str(one['id']) ?? '',
    by: str(one['begun_by']) ?? '',
    begun: str(one['begun_at']),
    due: str(one['due_at']),
    open: Number(one['open'] ?? 0),
    overdue: one['overdue'] === true,
  }));
  return { rows, next: str(from['next_before']) };
}
export async function reviewItems(
  id: string,
  after: string | undefined,
  signal?: AbortSignal,
): Promise<Page<ReviewItem>> {
  const from = await get<Obj>(`/v1/access-reviews/${id}`, { limit: 200, after }, signal);
  const rows = list(from['items']).map((one) => ({
    user: str(one['user']) ?? '',
    name: str(one['name']) ?? '',
    kind: str(one['kind']) ?? '',
    roles: texts(one['roles']),
    accounts: texts(one['accounts']),
    used: str(one['last_used_at']),
    state: str(one['state']) ?? '',
    decidedBy: str(one['decided_by']),
    decidedAt: str(one['decided_at']),
  }));
  return { rows, next: str(from['next_after']) };
}
/** Every item of a review; reviews are of staff and partners, who are few. */
export async function wholeReview(id: string, signal?: AbortSignal): Promise<ReviewItem[]> {
  const rows: ReviewItem[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < 50; pages += 1) {
    const page = await reviewItems(id, after, signal);
    rows.push(...page.rows);
    after = page.next;
    if (after === undefined) break;
  }
  return rows;
}
export const beginReview = (dueDays: number): Promise<Obj> =>
  request('POST', '/v1/access-reviews', { body: { due_days: dueDays } });
export const decideAccess = (id: string, of: string, decision: 'confirm' | 'revoke'): Promise<void> =>
  confirmed('decideAccess', 'POST', `/v1/access-reviews/${id}`, { user: of, decision });

// ---------------------------------------------------------------------------------------------------------------------
// Policies

export interface Policies {
  actions: string[];
  roles: { name: string; kind: string; actions: Set<string> }[];
  policies: Policy[];
}
export interface Policy {
  name: string;
  text: string;
  permits: boolean;
  /** Roles and kinds of people whom it names; empty = everybody. */
  who: string[];
  /** Empty = every action. */
  actions: string[];
  /** What must or must not hold besides, in Cedar. */
  conditions: string[];
}

/** What a policy names, for reading; its text counts. */
function readPolicy(from: Obj): Policy {
  const text = str(from['text']) ?? '';
  const named = (kind: string): string[] => {
    const found = [...text.matchAll(new RegExp(`Heng::${kind}::"([^"]+)"`, 'g'))];
    return [...new Set(found.map((one) => one[1] ?? ''))];
  };
  const kinds = [...text.matchAll(/principal is Heng::(\w+)/g)].map((one) => (one[1] ?? '').toLowerCase());
  return {
    name: str(from['name']) ?? '',
    text,
    permits: text.startsWith('permit'),
    who: [...new Set([...named('Role'), ...kinds])],
    actions: named('Action'),
    conditions: [...text.matchAll(/\b(when|unless) \{([\s\S]*?)\}/g)].map(
      (one) => `${one[1]} ${(one[2] ?? '').replace(/\s+/g, ' ').trim()}`,
    ),
  };
}

export async function policies(signal?: AbortSignal): Promise<Policies> {
  const from = await get<Obj>('/v1/policies', undefined, signal);
  return {
    actions: texts(from['actions']),
    roles: list(from['roles']).map((one) => ({
      name: str(one['name']) ?? '',
      kind: str(one['kind']) ?? '',
      actions: new Set(texts(one['actions'])),
    })),
    policies: list(from['policies']).map((one) => readPolicy(obj(one) ?? {})),
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Password resets

export interface Reset {
  id: string;
  user: string;
  factors: boolean;
  reason: string;
  state: string;
  by: string;
  at: string | undefined;
}
export async function resets(signal?: AbortSignal): Promise<Reset[]> {
  const from = await get<Obj>('/v1/password-resets', { limit: 50 }, signal);
  return list(from['resets']).map((one) => ({
    id: str(one['id']) ?? '',
    user: str(one['user']) ?? '',
    factors: one['factors'] === true,
    reason: str(one['reason']) ?? '',
    state: str(one['state']) ?? '',
    by: str(one['asked_by']) ?? '',
    at: str(one['asked_at']),
  }));
}
/** The code, if one was made now; for staff another person decides first. */
export const askReset = async (user: string, lost: boolean, reason: string): Promise<string | undefined> =>
  str(
    (await confirmed<Obj>('askPasswordReset', 'POST', '/v1/password-resets', { user, factors: lost, reason }))['code'],
  );
export const decideReset = async (id: string, decision: 'approve' | 'decline'): Promise<string | undefined> =>
  str((await confirmed<Obj>('decidePasswordReset', 'POST', `/v1/password-resets/${id}`, { decision }))['code']);
