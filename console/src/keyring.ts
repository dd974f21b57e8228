// The keys that seal what is stored, as the server tells them. They are changed at the command line, by two people.

import { get, list, num, str, type Obj } from './http';

export interface RingKey {
  id: string;
  algorithm: string;
  store: string;
  tenant: string;
  period: string;
  made: number | undefined;
  /** current, closed or destroyed. */
  state: string;
}
export interface KeyOperation {
  number: string;
  at: number | undefined;
  operation: string;
  /** On what. */
  detail: string;
  officers: string[];
  outcome: string;
}
export interface Ring {
  configured: boolean;
  ring: string | undefined;
  master: string | undefined;
  masterVersion: string | undefined;
  algorithm: string | undefined;
  generation: string | undefined;
  current: number | undefined;
  closed: number | undefined;
  destroyed: number | undefined;
  officers: { name: string; added: number | undefined }[];
  keys: RingKey[];
  operations: KeyOperation[];
  /** Why the operations cannot be told. */
  trouble: string | undefined;
}

/** Milliseconds of an instant told in nanoseconds since 1970; 0 = not known. */
export const fromNanos = (value: unknown): number | undefined => {
  const told = num(value);
  return told === undefined || told === 0 ? undefined : told / 1e6;
};

export async function ring(signal?: AbortSignal): Promise<Ring> {
  const from = await get<Obj>('/v1/keys', undefined, signal);
  return {
    configured: from['configured'] === true,
    ring: str(from['ring']),
    master: str(from['master']),
    masterVersion: str(from['master_version']),
    algorithm: str(from['algorithm']),
    generation: str(from['generation']),
    current: num(from['current']),
    closed: num(from['closed']),
    destroyed: num(from['destroyed']),
    officers: list(from['officers']).map((one) => ({
      name: str(one['name']) ?? '',
      added: fromNanos(one['added_at']),
    })),
    keys: list(from['keys']).map((one) => ({
      id: str(one['id']) ?? '',
      algorithm: str(one['algorithm']) ?? '',
      store: str(one['store']) ?? '',
      tenant: str(one['tenant']) ?? '',
      period: str(one['period']) ?? '',
      made: fromNanos(one['made_at']),
      state: str(one['state']) ?? '',
    })),
    operations: list(from['operations']).map((one) => ({
      number: str(one['number']) ?? '',
      at: fromNanos(one['at']),
      operation: str(one['operation']) ?? '',
      detail: str(one['detail']) ?? '',
      officers: Array.isArray(one['officers']) ? one['officers'].map(String) : [],
      outcome: str(one['outcome']) ?? '',
    })),
    trouble: str(from['operations_trouble']),
  };
}
