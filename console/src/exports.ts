// Files of data that leave the system after another person approved them, and legal holds, which stop every deletion.

import { get, list, num, obj, request, str, type Obj, type Page } from './http';
import { confirmed } from './security';

export const EXPORT_KINDS = ['audit', 'users', 'orders', 'fills'] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];
/** The action that each kind takes beside the one to ask at all. */
export const KIND_ACTION: Record<ExportKind, string> = {
  audit: 'audit.read',
  users: 'user.read',
  orders: 'order.read',
  fills: 'fill.read',
};
/** What each kind can be narrowed by. */
export const KIND_FILTERS: Record<ExportKind, readonly ('from' | 'to' | 'account' | 'principal' | 'action')[]> = {
  audit: ['from', 'to', 'account', 'principal', 'action'],
  users: ['principal'],
  orders: ['from', 'to', 'account'],
  fills: ['from', 'to', 'account'],
};

export interface Export {
  id: string;
  kind: string;
  filter: [string, string][];
  reason: string;
  masked: boolean;
  /** requested, running, ready, refused, failed or ended. */
  state: string;
  by: string;
  at: string | undefined;
  decidedBy: string | undefined;
  decidedAt: string | undefined;
  rows: number | undefined;
  /** Per cent, if the source can tell. */
  progress: number | undefined;
  bytes: number | undefined;
  sha256: string | undefined;
  sm3: string | undefined;
  ends: string | undefined;
  trouble: string | undefined;
}
const readExport = (from: Obj): Export => ({
  id: str(from['id']) ?? '',
  kind: str(from['kind']) ?? '',
  filter: Object.entries(obj(from['filter']) ?? {}).flatMap(([name, value]): [string, string][] => {
    const told = str(value);
    return told === undefined ? [] : [[name, told]];
  }),
  reason: str(from['reason']) ?? '',
  masked: from['masked'] !== false,
  state: str(from['state']) ?? '',
  by: str(from['requested_by']) ?? '',
  at: str(from['requested_at']),
  decidedBy: str(from['decided_by']),
  decidedAt: str(from['decided_at']),
  rows: num(from['rows']),
  progress: num(from['progress']),
  bytes: num(from['bytes']),
  sha256: str(from['sha256']),
  sm3: str(from['sm3']),
  ends: str(from['ends_at']),
  trouble: str(from['trouble']),
});

export async function listExports(before: string | undefined, signal?: AbortSignal): Promise<Page<Export>> {
  const from = await get<Obj>('/v1/exports', { limit: 50, before }, signal);
  return { rows: list(from['exports']).map(readExport), next: str(from['next_before']) };
}
export interface WantedExport {
  kind: ExportKind;
  filter: Record<string, string>;
  reason: string;
  masked: boolean;
  bom: boolean;
}
export const askExport = (wanted: WantedExport): Promise<Obj> => request('POST', '/v1/exports', { body: wanted });
export const decideExport = (id: string, decision: 'approve' | 'refuse'): Promise<Obj> =>
  confirmed('decideExport', 'POST', `/v1/exports/${id}/decision`, { decision });
export const exportFile = (id: string): Promise<Blob> =>
  request('GET', `/v1/exports/${id}/file`, { file: true, timeoutMs: 300_000 });

export interface Marked {
  found: { export: Export; matches: number; of: number }[];
  lookedAt: number;
  marks: number;
}
/** Characters of a leaked file that are looked at. */
export const WATERMARK_TEXT_MAX = 48_000;
export async function findWatermark(text: string): Promise<Marked> {
  const body = { text: text.slice(0, WATERMARK_TEXT_MAX) };
  const from = await request<Obj>('POST', '/v1/exports/watermark', { body, timeoutMs: 60_000 });
  return {
    found: list(from['found']).map((one) => ({
      export: readExport(obj(one['export']) ?? {}),
      matches: num(one['matches']) ?? 0,
      of: num(one['of']) ?? 0,
    })),
    lookedAt: num(from['looked_at']) ?? 0,
    marks: num(from['marks']) ?? 0,
  };
}

export interface Hold {
  id: string;
  account: string;
  reason: string;
  authority: string;
  /** held or released. */
  state: string;
  by: string;
  at: string | undefined;
  releasedBy: string | undefined;
  releasedAt: string | undefined;
  releaseReason: string | undefined;
}
export async function holds(before: string | undefined, signal?: AbortSignal): Promise<Page<Hold>> {
  const from = await get<Obj>('/v1/legal-holds', { limit: 50, before }, signal);
  const rows = list(from['holds']).map((one) => ({
    id: str(one['id']) ?? '',
    account: str(one['account_id']) ?? '',
    reason: str(one['reason']) ?? '',
    authority: str(one['authority']) ?? '',
    state: str(one['state']) ?? '',
    by: str(one['placed_by']) ?? '',
    at: str(one['placed_at']),
    releasedBy: str(one['released_by']),
    releasedAt: str(one['released_at']),
    releaseReason: str(one['release_reason']),
  }));
  return { rows, next: str(from['next_before']) };
}
export const placeHold = (account: string, reason: string, authority: string): Promise<Obj> =>
  request('POST', '/v1/legal-holds', { body: { account_id: account, reason, authority } });
export const releaseHold = (id: string, reason: string): Promise<Obj> =>
  confirmed('releaseLegalHold', 'POST', `/v1/legal-holds/${id}/release`, { reason });
