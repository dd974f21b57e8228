// How a request is made and how its answer, or its refusal, is read.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Obj = { [key: string]: Json | undefined };

// ---------------------------------------------------------------------------------------------------------------------
// Problems

/** What is wrong with one field of a request. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** A refusal or failure: a problem document (RFC 9457), or no answer at all. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: number | null;
  readonly codeName: string;
  readonly titles: { en: string; zh: string };
  readonly detail: string;
  readonly errors: FieldError[];
  readonly retryAfterS: number | null;
  readonly members: Obj;

  constructor(status: number, document: Obj, retryAfterS: number | null) {
    const en = str(document['title']) ?? `HTTP ${status}`;
    super(en);
    this.status = status;
    this.code = typeof document['code'] === 'number' ? document['code'] : null;
    this.codeName = str(document['code_name']) ?? '';
    this.titles = { en, zh: str(document['title_zh']) ?? en };
    this.detail = str(document['detail']) ?? '';
    this.errors = list(document['errors']).map((e) => ({
      pointer: str(e['pointer']) ?? '',
      detail: str(e['detail']) ?? '',
    }));
    this.retryAfterS = retryAfterS;
    this.members = document;
  }

  /** The server could not be reached, or the connection broke before the answer. */
  get unreachable(): boolean {
    return this.status === 0;
  }

  /** Whether a change may or may not have happened. */
  get unknown(): boolean {
    return (
      this.unreachable ||
      this.codeName === 'OutcomeUnknown' ||
      this.codeName === 'NoAnswer' ||
      this.members['outcome'] === 'unknown' ||
      this.status === 500 ||
      this.status === 502 ||
      this.status === 504
    );
  }
}

const UNREACHABLE: Obj = {
  title: 'The server cannot be reached.',
  title_zh: '无法连接服务器',
  code_name: 'Unreachable',
};

// ---------------------------------------------------------------------------------------------------------------------
// Requests

/** Rows of a list, and where its next page begins. */
export interface Page<R> {
  rows: R[];
  next: string | undefined;
}

/** Fired on `window` when the session has ended. */
export const SIGNED_OUT = 'heng:signed-out';

export type Query = Record<string, string | number | boolean | undefined | null>;

interface Options {
  query?: Query | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** The answer to 401 is up to the caller. */
  quiet?: boolean;
  timeoutMs?: number;
  headers?: Record<string, string>;
  /** The answer is a file: its bytes come as they are, as a Blob. */
  file?: boolean;
}

export function target(path: string, query?: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

export async function request<T>(method: 'GET' | 'POST' | 'DELETE', path: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  // A page of another origin cannot set this header, so a cookie alone changes nothing.
  if (method !== 'GET') headers['x-heng-console'] = '1';
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  const deadline = AbortSignal.timeout(options.timeoutMs ?? 15_000);
  let response: Response;
  let text: string;
  try {
    response = await fetch(target(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    if (options.file && response.ok) return (await response.blob()) as T;
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, UNREACHABLE, null);
  }
  let document: Json = null;
  try {
    document = text ? (JSON.parse(text) as Json) : null;
  } catch {
    document = null;
  }
  if (response.ok) return document as T;
  if (response.status === 401 && !options.quiet) window.dispatchEvent(new Event(SIGNED_OUT));
  const retry = Number(response.headers.get('retry-after') ?? NaN);
  throw new ApiError(response.status, obj(document) ?? {}, Number.isFinite(retry) ? retry : null);
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  request<T>('GET', path, { query, signal });

// ---------------------------------------------------------------------------------------------------------------------
// Reading what came

export const obj = (value: unknown): Obj | undefined =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Obj) : undefined;
export const str = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
export const list = (value: unknown): Obj[] => (Array.isArray(value) ? value.map((item) => obj(item) ?? {}) : []);
/** A number for drawing and colouring; never for amounts that are told. */
export const num = (value: unknown): number | undefined => {
  const parsed = typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : NaN;
  return Number.isFinite(parsed) ? parsed : undefined;
};
/** The first of several fields or paths (`a.b`) that is there. */
export function first(from: unknown, ...paths: string[]): Json | undefined {
  for (const path of paths) {
    let at: unknown = from;
    for (const step of path.split('.')) at = obj(at)?.[step];
    if (at !== undefined && at !== null) return at as Json;
  }
  return undefined;
}
export const firstNum = (from: unknown, ...paths: string[]): number | undefined => num(first(from, ...paths));
export const firstStr = (from: unknown, ...paths: string[]): string | undefined => str(first(from, ...paths));
/** Milliseconds since 1970 of an RFC 3339 text or a number. */
export function millis(value: unknown): number | undefined {
  if (typeof value === 'number') return value > 1e14 ? value / 1e6 : value;
  if (typeof value !== 'string') return undefined;
  const parsed = Date.parse(value.length === 10 ? `${value}T00:00:00+08:00` : value.replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(parsed) ? undefined : parsed;
}
