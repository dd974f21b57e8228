// The evidence log as the server tells it: its state, keys, lawful deletions, and bundles of proofs. What a bundle
// proves is found out by `proof.ts`, without the server.

import { ApiError, firstStr, get, list, num, request, str, type Obj } from './http';
import { fromNanos } from './keyring';
import { confirmed } from './security';

export interface EvidenceKey {
  verifier: string;
  algorithm: string;
  created: number | undefined;
  retired: number | undefined;
}
export interface EvidenceKeys {
  origin: string;
  keys: EvidenceKey[];
  retired: EvidenceKey[];
  witnesses: EvidenceKey[];
}
const readKey = (from: Obj): EvidenceKey => ({
  verifier: str(from['verifier']) ?? '',
  algorithm: str(from['algorithm']) ?? '',
  created: fromNanos(from['created_at']),
  retired: fromNanos(from['retired_at']),
});
export async function evidenceKeys(signal?: AbortSignal): Promise<EvidenceKeys> {
  const from = await get<Obj>('/v1/evidence/keys', undefined, signal);
  return {
    origin: str(from['origin']) ?? '',
    keys: list(from['keys']).map(readKey),
    retired: list(from['retired']).map(readKey),
    witnesses: list(from['witnesses']).map(readKey),
  };
}

export interface Witness {
  name: string;
  size: number;
  /** Milliseconds since 1970 by its own clock. */
  at: number | undefined;
  trouble: string | undefined;
}
export interface Retention {
  class: string;
  en: string;
  zh: string;
  years: string;
  from: string;
  to: string | undefined;
  source: string;
}
export interface EvidenceState {
  origin: string;
  well: boolean;
  detail: string;
  size: number | undefined;
  root: string;
  sm3Root: string;
  checkpoint: string;
  sequence: string | undefined;
  lagMs: number | undefined;
  witnesses: Witness[];
  retention: Retention[];
}
export async function evidence(signal?: AbortSignal): Promise<EvidenceState> {
  const from = await get<Obj>('/v1/evidence', undefined, signal);
  return {
    origin: str(from['origin']) ?? '',
    well: from['well'] === true,
    detail: str(from['detail']) ?? '',
    size: num(from['size']),
    root: str(from['root']) ?? '',
    sm3Root: str(from['sm3_root']) ?? '',
    checkpoint: str(from['checkpoint']) ?? '',
    sequence: str(from['as_of_sequence']),
    lagMs: num(from['lag_ms']),
    witnesses: list(from['witnesses']).map((one) => ({
      name: str(one['name']) ?? '',
      size: num(one['size']) ?? 0,
      at: num(one['at']) ? (num(one['at']) ?? 0) * 1_000 : undefined,
      trouble: str(one['trouble']),
    })),
    retention: list(from['retention']).map((one) => ({
      class: str(one['class']) ?? '',
      en: str(one['english']) ?? '',
      zh: str(one['chinese']) ?? '',
      years: str(one['years']) ?? '',
      from: str(one['from']) ?? '',
      to: str(one['to']),
      source: str(one['source']) ?? '',
    })),
  };
}

export interface WantedProof {
  account: string;
  order: string;
  from: string;
  to: string;
  witnessed: boolean;
}
/** Leaves of one bundle. */
export const PROOF_LEAVES = 200;
/** The file as the server wrote it: its numbers are larger than what a browser computes with. */
export const proofFile = (wanted: WantedProof): Promise<Blob> =>
  request('GET', '/v1/evidence/proof', {
    query: { ...wanted, witnessed: wanted.witnessed || undefined, limit: PROOF_LEAVES },
    file: true,
    timeoutMs: 60_000,
  });
export const auditProofFile = (number: string): Promise<Blob> =>
  request('GET', `/v1/audit/${number}/proof`, { file: true, timeoutMs: 60_000 });
/** A bundle with a proof that today's tree begins with so many leaves. */
export const sinceFile = (size: string, account: string | undefined): Promise<Blob> =>
  request('GET', '/v1/evidence/proof', { query: { since: size, limit: 1, account }, file: true, timeoutMs: 60_000 });

export interface Destruction {
  id: string;
  account: string;
  through: string;
  basis: string;
  /** requested or done. */
  state: string;
  by: string;
  at: number | undefined;
  approvedBy: string | undefined;
  approvedAt: number | undefined;
  keys: string;
}
export async function destructions(signal?: AbortSignal): Promise<Destruction[]> {
  const from = await get<Obj>('/v1/evidence/destructions', undefined, signal);
  return list(from['destructions']).map((one) => ({
    id: str(one['id']) ?? '',
    account: str(one['account_id']) ?? '',
    through: str(one['through_year']) ?? '',
    basis: str(one['basis']) ?? '',
    state: str(one['state']) ?? '',
    by: str(one['requested_by']) ?? '',
    at: fromNanos(one['requested_at']),
    approvedBy: str(one['approved_by']),
    approvedAt: fromNanos(one['approved_at']),
    keys: str(one['keys_destroyed']) ?? '',
  }));
}

/** A request that takes a fresh proof where the server asks for one. */
async function graveIfAsked(path: string, body?: unknown): Promise<Obj> {
  try {
    return await request<Obj>('POST', path, { body });
  } catch (error) {
    const operation = error instanceof ApiError ? firstStr(error.members, 'step_up.operation') : undefined;
    if (operation === undefined) throw error;
    return confirmed<Obj>(operation, 'POST', path, body);
  }
}
export const askDestruction = (account: string, through: number, basis: string): Promise<Obj> =>
  graveIfAsked('/v1/evidence/destructions', { account_id: account, through_year: through, basis });
export const approveDestruction = (id: string): Promise<Obj> =>
  graveIfAsked(`/v1/evidence/destructions/${id}/approval`);
