// Sign-on by an OpenID provider in a real browser: the button, the way through the provider and back. The provider is
// started by whoever runs this, and lets in whom it was told; nobody types anything there.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { base, browse, freshCode, named, quiet, ready, shot } from './browser.mjs';

const NAME = process.env.HENG_PROVIDER_NAME;

describe('sign-on', () => {
  test('staff come in by the provider, the first time with a code of their own as well', async () => {
    const { context, page, complaints, close } = await browse();
    const nav = page.locator('.bar nav');
    const button = page.locator('[data-act=sign-on]');
    // Whoever comes by the address of a page is asked about, and has no session yet.
    complaints.expect(/status of 401 .*\/v1\/me$/);
    await page.goto(`${base}/orders`);
    await button.waitFor();
    assert.match(await button.textContent(), new RegExp(NAME));
    await named(page, 'the page with the button');
    await shot(page, 'sign-on');
    await button.click();

    // Back from the provider: a fresh link asks for a factor of ours, and neither name nor password.
    const code = page.locator('input[name=totp]');
    await code.waitFor();
    assert.equal(await page.locator('[data-sso=factor]').count(), 1);
    assert.equal(await page.locator('input[name=user]').count(), 0);
    assert.equal(await nav.count(), 0);
    await shot(page, 'sign-on-factor');
    await code.fill(await freshCode(ready.staff.totp_secret, -1));
    await page.click('button[type=submit]');
    await nav.waitFor();
    assert.equal(new URL(page.url()).pathname, '/orders', 'the page that was asked for');
    const cookies = await context.cookies(base);
    const session = cookies.find((cookie) => cookie.name.endsWith('heng_session'));
    assert.ok(session?.httpOnly, 'scripts cannot read the session');

    // From then on the provider's second factor is enough.
    await page.click('[data-act=sign-out]');
    await button.waitFor();
    await button.click();
    await nav.waitFor();
    assert.equal(new URL(page.url()).pathname, '/dashboard');
    quiet(complaints);
    await close();
  });

  test('an address that tells of a refusal says so in words, and of nothing else', async () => {
    const { page, complaints, close } = await browse();
    await page.goto(`${base}/?sso=unknown`);
    await page.locator('[data-sso=unknown]').waitFor();
    await shot(page, 'sign-on-unknown');
    await page.goto(`${base}/?sso=%3Cimg%20src%3Dx%3E`);
    await page.locator('[data-act=sign-on]').waitFor();
    assert.equal(await page.locator('[data-sso]').count(), 0);
    quiet(complaints);
    await close();
  });
});
