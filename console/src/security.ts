// Passkeys, fresh proofs, devices, keys and approvals: what the browser does about them, and what the server answers.

import { ApiError, get, list, obj, request, str, type Obj } from './http';

// ---------------------------------------------------------------------------------------------------------------------
// Passkeys

const bytes = (text: unknown): Uint8Array<ArrayBuffer> => {
  const plain = atob(String(text).replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
};
const text = (buffer: ArrayBuffer | null): string | null =>
  buffer === null
    ? null
    : btoa(String.fromCharCode(...new Uint8Array(buffer)))
        .replace(/\+/g, '-')
        .replace(/\//g, '_')
        .replace(/=+$/, '');
const descriptors = (from: unknown): PublicKeyCredentialDescriptor[] =>
  list(from).map((one) => ({ type: 'public-key', id: bytes(one['id']) }));

/** Whether this browser makes passkeys here at all: it takes a name, not an address, and a safe connection. */
export const canPasskey = (): boolean =>
  'PublicKeyCredential' in window && window.isSecureContext && !/^[\d.]+$|:/.test(location.hostname);

export interface Challenge {
  id: string;
  options: Obj;
}
export const readChallenge = (from: unknown): Challenge | undefined => {
  const found = obj(from);
  const options = obj(found?.['options']);
  return found && options ? { id: str(found['id']) ?? '', options } : undefined;
};

export async function makePasskey(options: Obj): Promise<Obj> {
  const user = obj(options['user']) ?? {};
  const publicKey = {
    ...options,
    challenge: bytes(options['challenge']),
    user: { ...user, id: bytes(user['id']) },
    excludeCredentials: descriptors(options['excludeCredentials']),
  } as unknown as PublicKeyCredentialCreationOptions;
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: {
      attestationObject: text(response.attestationObject),
      clientDataJSON: text(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
  };
}

export async function usePasskey(options: Obj): Promise<Obj> {
  const publicKey = {
    ...options,
    challenge: bytes(options['challenge']),
    allowCredentials: descriptors(options['allowCredentials']),
  } as unknown as PublicKeyCredentialRequestOptions;
  const made = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAssertionResponse;
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: text(response.userHandle),
    },
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// Passwords and one-time codes

export const changePassword = (current: string, next: string): Promise<void> =>
  request('POST', '/v1/me/password', { body: { current_password: current, new_password: next }, quiet: true });
/** Chooses a new password with a code that staff made. */
export const usePasswordReset = (user: string, code: string, next: string): Promise<void> =>
  request('POST', '/v1/password-reset', { body: { user, code, new_password: next }, quiet: true });

/** Makes a second factor, which counts once a code of it has come. */
export const enrolTotp = (password: string): Promise<{ secret: string; uri: string }> =>
  request('POST', '/v1/me/totp', { body: { password }, quiet: true });
export const confirmTotp = (code: string): Promise<void> =>
  request('POST', '/v1/me/totp/confirm', { body: { code }, quiet: true });

// ---------------------------------------------------------------------------------------------------------------------
// Fresh proofs

export interface StepUpAsked {
  id: string;
  text: { en: string; zh: string };
  means: 'passkey' | 'totp' | 'password';
  options: Obj | undefined;
}
export type StepUpProof = { credential: Obj } | { code: string } | { password: string };

/** Shows the text and returns what the person gives; it throws if they do not. Set by the frame around every page. */
type Prompt = (asked: StepUpAsked, prove: (proof: StepUpProof) => Promise<string>) => Promise<string>;
let prompt: Prompt | undefined;
export const onStepUp = (next: Prompt | undefined): void => {
  prompt = next;
};

/** The person went back. */
export class NotConfirmed extends Error {}

const readAsked = (from: Obj): StepUpAsked => ({
  id: str(from['id']) ?? '',
  text: { en: str(obj(from['text'])?.['en']) ?? '', zh: str(obj(from['text'])?.['zh']) ?? '' },
  means: (str(from['means']) ?? 'passkey') as StepUpAsked['means'],
  options: obj(from['options']),
});

/** A request that takes a fresh proof: the person reads what will happen, and confirms exactly that. */
export async function confirmed<T>(
  operation: string,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  const exact = body === undefined ? '' : JSON.stringify(body);
  const asked = readAsked(await request<Obj>('POST', '/v1/step-up', { body: { operation, target: path, body: exact } }));
  if (!prompt) throw new NotConfirmed();
  const proof = await prompt(asked, async (given) => {
    const answer = await request<Obj>('POST', `/v1/step-up/${asked.id}`, { body: given });
    return str(answer['step_up']) ?? '';
  });
  return request<T>(method, path, { body, headers: { 'step-up': proof } });
}

// ---------------------------------------------------------------------------------------------------------------------
// What the page shows

export interface Passkey {
  id: string;
  name: string;
  created: string | undefined;
  used: string | undefined;
}
export interface Factors {
  passkeys: Passkey[];
  totp: boolean;
  recovery: boolean;
  origin: string;
}

const readPasskey = (from: Obj): Passkey => ({
  id: str(from['id']) ?? '',
  name: str(from['name']) ?? '',
  created: str(from['created_at']),
  used: str(from['used_at']),
});

export async function factors(signal?: AbortSignal): Promise<Factors> {
  const from = await get<Obj>('/v1/me/factors', undefined, signal);
  return {
    passkeys: list(from['passkeys']).map(readPasskey),
    totp: from['totp'] === true,
    recovery: from['recovery_codes'] === true,
    origin: str(from['origin']) ?? '',
  };
}

/** Makes a passkey; whoever has a second factor confirms it first. */
export async function addPasskey(name: string, password: string, hasFactor: boolean): Promise<void> {
  const body = { password };
  const path = '/v1/me/passkeys';
  const begun = hasFactor
    ? await confirmed<Obj>('beginPasskey', 'POST', path, body)
    : await request<Obj>('POST', path, { body });
  const challenge = readChallenge(begun);
  if (!challenge) throw new ApiError(0, { title: 'No challenge came.', title_zh: '未收到质询' }, null);
  const credential = await makePasskey(challenge.options);
  await request('POST', `/v1/me/passkeys/challenges/${challenge.id}`, { body: { name, credential } });
}
export const renamePasskey = (id: string, name: string): Promise<void> =>
  request('POST', `/v1/me/passkeys/${id}`, { body: { name } });
export const removePasskey = (id: string): Promise<void> => confirmed('removePasskey', 'DELETE', `/v1/me/passkeys/${id}`);
export async function makeRecoveryCodes(): Promise<string[]> {
  const made = await confirmed<Obj>('makeRecoveryCodes', 'POST', '/v1/me/recovery-codes');
  const codes = made['codes'];
  return Array.isArray(codes) ? codes.map(String) : [];
}

export interface Device {
  id: string;
  device: string;
  place: string;
  address: string;
  means: string;
  used: string | undefined;
  current: boolean;
}
export async function devices(signal?: AbortSignal): Promise<Device[]> {
  const from = await get<Obj>('/v1/sessions', { limit: 100 }, signal);
  return list(from['sessions']).map((one) => ({
    id: str(one['id']) ?? '',
    device: str(one['device']) ?? '',
    place: str(one['place']) ?? '',
    address: str(one['address']) ?? '',
    means: str(one['means']) ?? '',
    used: str(one['used_at']),
    current: one['current'] === true,
  }));
}
export const endDevice = (id: string): Promise<void> => request('DELETE', `/v1/sessions/${id}`);
export const endDevices = (): Promise<Obj> => request('DELETE', '/v1/sessions');

export interface ApiKey {
  id: string;
  name: string;
  kind: string;
  scopes: string[];
  created: string | undefined;
  expires: string | undefined;
}
export async function apiKeys(signal?: AbortSignal): Promise<ApiKey[]> {
  const from = await get<Obj>('/v1/api-keys', { limit: 100 }, signal);
  return list(from['keys']).map((one) => ({
    id: str(one['id']) ?? '',
    name: str(one['name']) ?? '',
    kind: str(one['kind']) ?? '',
    scopes: Array.isArray(one['scopes']) ? one['scopes'].map(String) : [],
    created: str(one['created_at']),
    expires: str(one['expires_at']),
  }));
}
export interface MadeKey {
  id: string;
  secret: string;
}
export async function makeApiKey(name: string, scopes: string[]): Promise<MadeKey> {
  const made = await confirmed<Obj>('createApiKey', 'POST', '/v1/api-keys', { name, scopes });
  return { id: str(made['id']) ?? '', secret: str(made['secret']) ?? '' };
}
export const revokeApiKey = (id: string): Promise<void> => confirmed('revokeApiKey', 'DELETE', `/v1/api-keys/${id}`);
