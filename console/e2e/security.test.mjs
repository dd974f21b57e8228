// Passkeys in a real browser, with a virtual authenticator behind the browser's own protocol: made, used to sign in, and
// used to confirm exactly one transaction.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { authenticator, browse, dress, fits, quiet, ready, shot } from './browser.mjs';

// Browsers give passkeys to names, not to addresses.
const base = (process.env.HENG_URL ?? ready.http).replace('127.0.0.1', 'localhost').replace(/\/$/, '');

async function password(page, person) {
  await page.goto(`${base}/`);
  await page.fill('input[name=user]', person.user);
  await page.fill('input[name=password]', person.password);
  await page.click('button[type=submit]');
}

async function addPasskey(page, person, name) {
  await page.click('[data-act=add-passkey]');
  await page.fill('input[name=passkey-name]', name);
  await page.fill('input[name=passkey-password]', person.password);
  await page.keyboard.press('Enter');
}

const toSecurity = async (page) => {
  await page.locator('.bar nav a[href="/security"]').click();
  await page.locator('.security .sec-devices tbody tr').first().waitFor();
};

describe('passkeys', () => {
  test('a client makes a passkey, signs in with it, and confirms an API key by it', async () => {
    const { page, complaints, close } = await browse();
    const device = await authenticator(page);
    await password(page, ready.client);
    await page.locator('.bar nav').waitFor();
    await toSecurity(page);
    await addPasskey(page, ready.client, 'e2e key');
    const row = page.locator('.sec-passkeys tbody tr', { hasText: 'e2e key' });
    await row.waitFor();
    assert.equal(await device.count(), 1);

    // The password is not enough any more; the passkey completes it.
    await page.click('[data-act=sign-out]');
    await page.locator('input[name=password]').waitFor();
    await password(page, ready.client);
    await page.locator('[data-act=sign-in-passkey]').waitFor();
    assert.equal(await page.locator('.bar nav').count(), 0);
    await shot(page, 'sign-in-passkey');
    await page.click('[data-act=sign-in-passkey]');
    await page.locator('.bar nav').waitFor();
    await toSecurity(page);
    assert.match(await page.locator('.sec-devices tbody tr', { hasText: 'this one' }).textContent(), /passkey/);

    // What will happen is told in the person's language, made by the server from what will be sent.
    await page.fill('input[name=key-name]', 'e2e desk');
    await page.fill('input[name=key-scopes]', 'order.read');
    await page.click('[data-act=make-key]');
    const text = page.locator('[data-step-up-text]');
    await text.waitFor();
    assert.equal(
      await text.textContent(),
      `Make an API key\nName: e2e desk\nMay do: order.read\nBy: ${ready.client.user}`,
    );
    await shot(page, 'step-up');
    // Escape goes back, and nothing happened.
    await page.keyboard.press('Escape');
    await text.waitFor({ state: 'detached' });
    assert.equal(await page.locator('.sec-keys tbody tr', { hasText: 'e2e desk' }).count(), 0);
    await page.click('[data-act=make-key]');
    await text.waitFor();
    await page.keyboard.press('Enter');
    await page.locator('[data-made-key]').waitFor();
    assert.match(await page.locator('[data-made-key]').textContent(), /^hk-\w+\n\S{20,}/);
    await page.keyboard.press('Escape');
    const key = page.locator('.sec-keys tbody tr', { hasText: 'e2e desk' });
    await key.waitFor();

    // A device that does not verify its user proves nothing.
    await device.set(false);
    await key.locator('[data-act=revoke-key]').click();
    await page.click('[data-act=step-up]');
    await page.locator('.sec-keys [role=alert]').waitFor();
    await device.set(true);

    for (const [theme, language] of [
      ['dark', 'en'],
      ['light', 'zh'],
    ]) {
      await dress(page, theme, language);
      await shot(page, `security-${theme}-${language}`);
      await fits(page, `security in ${language}`);
    }
    await key.locator('[data-act=revoke-key]').click();
    await text.waitFor();
    assert.match(await text.textContent(), /^吊销 API 密钥\n编号：hk-\w+\n操作人：/);
    await page.click('[data-act=step-up]');
    await key.waitFor({ state: 'detached' });
    await dress(page, 'dark', 'en');

    // Recovery codes come by a fresh proof too, and the passkey goes by one.
    await page.click('[data-act=recovery]');
    await page.click('[data-act=step-up]');
    await page.locator('[data-recovery]').waitFor();
    assert.equal((await page.locator('[data-recovery]').textContent()).split('\n').length, 10);
    await page.keyboard.press('Escape');
    await row.locator('[data-act=remove-passkey]').click();
    await page.click('[data-act=step-up]');
    await row.waitFor({ state: 'detached' });
    quiet(complaints);
    await close();
  });

  test('a client changes the password, and an easy one is refused', async () => {
    const { page, complaints, close } = await browse();
    complaints.expect(/status of 400 .*\/v1\/me\/password/);
    await password(page, ready.client);
    await page.locator('.bar nav').waitFor();
    // The answer to the sign-in carried no token, and nothing of the session can be read from here.
    assert.equal(await page.evaluate(() => document.cookie), '');
    await toSecurity(page);
    const change = async (from, to) => {
      await page.fill('.sec-password input[name=current-password]', from);
      await page.fill('.sec-password input[name=new-password]', to);
      await page.click('[data-act=change-password]');
    };
    const chosen = 'seven green kites over water';
    await change(ready.client.password, 'password123456');
    await page.locator('.sec-password [role=alert]').waitFor();
    await change(ready.client.password, chosen);
    await page.locator('.sec-password [role=status]', { hasText: 'is changed' }).waitFor();
    await change(chosen, ready.client.password);
    await page.locator('.sec-password input[name=current-password]:invalid').waitFor();
    await page.locator('.sec-password [role=status]', { hasText: 'is changed' }).waitFor();
    quiet(complaints);
    await close();
  });

  test('the page fits a narrow window', async () => {
    const { page, complaints, close } = await browse({ viewport: { width: 390, height: 844 } });
    await password(page, ready.client);
    await page.locator('.bar nav').waitFor();
    await toSecurity(page);
    for (const [theme, language] of [
      ['light', 'zh'],
      ['dark', 'en'],
    ]) {
      await dress(page, theme, language);
      await fits(page, `security in ${language}`);
    }
    quiet(complaints);
    await close();
  });
});
