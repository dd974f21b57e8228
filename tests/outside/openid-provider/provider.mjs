// A certified OpenID provider (npm oidc-provider) as a process of its own, for the tests of sign-on.
//
//   node provider.mjs --client-secret S --redirect URI --logout URI
//
// It listens at a free port of this machine, prints one line with its issuer, and ends when its input ends. Nobody types
// a password: whoever comes is the person that the test named last by POST /test/next. The same call can make the
// provider misbehave, always with its own real key: the certified code refuses to, so its answers are changed on the way.

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import * as jose from 'jose';
import Provider from 'oidc-provider';

const { values: told } = parseArgs({
  options: { 'client-secret': { type: 'string' }, redirect: { type: 'string' }, logout: { type: 'string' } },
});

const keyPair = async (alg, kid) => {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  return { ...(await jose.exportJWK(privateKey)), kid, alg, use: 'sig' };
};
const keys = [await keyPair('RS256', 'first'), await keyPair('ES256', 'elliptic'), await keyPair('PS256', 'pss')];
keys.push(await keyPair('EdDSA', 'edwards'));
// A key that the provider tells only after it was asked to.
const late = await keyPair('RS256', 'late');

/** Who comes next, and how the provider misbehaves. */
let next = { sub: 'subject-1' };
const counts = { discovery: 0, jwks: 0, token: 0, sid: undefined };

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'heng',
      client_secret: told['client-secret'],
      redirect_uris: [told.redirect],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      backchannel_logout_uri: told.logout,
      backchannel_logout_session_required: true,
    },
  ],
  jwks: { keys },
  acrValues: ['urn:example:strong'],
  claims: {
    openid: ['sub', 'acr', 'amr', 'sid'],
    profile: ['preferred_username'],
    email: ['email', 'email_verified'],
  },
  // What the scopes name stands in the ID token, as most providers have it.
  conformIdTokenClaims: false,
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'PS256', 'EdDSA'] },
  features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
  pkce: { required: () => true },
  // Its own guard keeps it from calling this machine, where the broker of the test is.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  cookies: { keys: ['only a test'] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ ...next.claims, sub, acr: next.acr, amr: next.amr }),
  }),
});

const body = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || '{}');
};

/** An ID token with other words, signed as the test says. */
async function changed(token, { claims = {}, without = [], alg, signed = 'own', header = {} }) {
  const own = jose.decodeProtectedHeader(token);
  const payload = { ...jose.decodeJwt(token), ...claims };
  for (const name of without) delete payload[name];
  const head = { ...own, ...(alg ? { alg } : {}), ...header };
  const text = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  if (signed === 'none') return `${text({ ...head, alg: 'none' })}.${text(payload)}.`;
  if (signed === 'client-secret') {
    const secret = new TextEncoder().encode(told['client-secret']);
    return new jose.SignJWT(payload).setProtectedHeader({ alg: 'HS256' }).sign(secret);
  }
  const stranger = signed === 'stranger' ? await keyPair('RS256', own.kid) : undefined;
  const wanted = signed === 'late' ? late : (stranger ?? keys.find((key) => key.alg === (alg ?? own.alg)));
  const key = await jose.importJWK(wanted, wanted.alg);
  return new jose.SignJWT(payload).setProtectedHeader({ ...head, alg: wanted.alg, kid: wanted.kid }).sign(key);
}

provider.use(async (context, go) => {
  await go();
  const { path } = context;
  if (path === '/.well-known/openid-configuration') {
    counts.discovery += 1;
    if (next.issuer) context.body = { ...context.body, issuer: next.issuer };
  }
  if (path === '/jwks') {
    counts.jwks += 1;
    if (next.tell_late) {
      const { n, e, kty, kid, alg, use } = late;
      context.body = { keys: [...context.body.keys, { n, e, kty, kid, alg, use }] };
    }
  }
  if (path === '/token') {
    counts.token += 1;
    if (context.status === 200) counts.sid = jose.decodeJwt(context.body.id_token).sid;
    if (context.status === 200 && next.change) {
      context.body = { ...context.body, id_token: await changed(context.body.id_token, next.change) };
    }
    if (next.redirect) context.redirect(`${issuer}/elsewhere`);
  }
});

const callback = provider.callback();
const answer = (response, status, value) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

server.on('request', async (request, response) => {
  try {
    const path = request.url.split('?')[0];
    if (path === '/test/next') {
      next = await body(request);
      return answer(response, 200, {});
    }
    if (path === '/test/counts') return answer(response, 200, counts);
    if (path === '/test/logout') {
      const { sub, sid } = await body(request);
      const client = await provider.Client.find('heng');
      await client.backchannelLogout(sub, sid);
      return answer(response, 200, {});
    }
    if (path === '/test/sign') {
      const { claims, typ, alg = 'RS256', signed } = await body(request);
      const wanted = signed === 'stranger' ? await keyPair(alg, 'first') : keys.find((key) => key.alg === alg);
      const key = await jose.importJWK(wanted, wanted.alg);
      const token = await new jose.SignJWT(claims).setProtectedHeader({ alg, kid: wanted.kid, typ }).sign(key);
      return answer(response, 200, { token });
    }
    if (path.startsWith('/interaction/')) return await interact(request, response);
    return callback(request, response);
  } catch (error) {
    console.error(error);
    answer(response, 500, { error: String(error) });
  }
});

/** Signs in whoever comes next, and gives what was asked for. */
async function interact(request, response) {
  const { prompt, params, grantId, session } = await provider.interactionDetails(request, response);
  if (next.deny) {
    const result = { error: 'access_denied', error_description: 'the person said no' };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  if (prompt.name === 'login') {
    const login = { accountId: next.sub, acr: next.acr, amr: next.amr };
    return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

console.log(JSON.stringify({ issuer }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
