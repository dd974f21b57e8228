import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';

import { ApiError, confirmTotp, enrolTotp, me as askMe, signIn, type Me } from '../api';
import { Settings } from '../app';
import { Problem } from '../parts/ui';
import { usePrefs } from '../prefs';

/** What is asked for next: the password, a code, or the first code of a second factor that is being set up. */
type Step = { at: 'password' } | { at: 'code' } | { at: 'enrol'; secret: string };

export function SignIn({ ended, onSignedIn }: { ended: boolean; onSignedIn: (me: Me) => void }): ReactNode {
  const { t } = usePrefs();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [step, setStep] = useState<Step>({ at: 'password' });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const code = useRef<HTMLInputElement>(null);
  const asksCode = step.at !== 'password';

  useEffect(() => {
    document.title = `${t('sign.title')} · Heng 衡`;
  }, [t]);
  useEffect(() => {
    if (asksCode) code.current?.focus();
  }, [asksCode]);

  const go = async (): Promise<void> => {
    if (step.at === 'enrol') {
      await confirmTotp(totp.trim());
      return onSignedIn(await askMe());
    }
    const answer = await signIn(user.trim(), password, step.at === 'code' ? totp.trim() : undefined);
    if (answer.state === 'in') return onSignedIn(answer.me);
    if (answer.state === 'code') return setStep({ at: 'code' });
    setTotp('');
    setStep({ at: 'enrol', secret: (await enrolTotp(password)).secret });
  };
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await go();
    } catch (failure) {
      setError(failure);
      setTotp('');
    }
    setBusy(false);
  };

  return (
    <div className="sign-in">
      <header className="bar">
        <span className="brand">
          <img src="/heng.svg" alt="" width="22" height="22" />
          <span>Heng 衡</span>
        </span>
        <span className="grow" />
        <Settings />
      </header>
      <main>
        <form className="sign-form" onSubmit={(event) => void submit(event)} aria-labelledby="sign-title">
          <img src="/heng.svg" alt="" width="52" height="52" />
          <h1 id="sign-title">{t('sign.title')}</h1>
          <p className="dim">Heng 衡 · {t('sign.intro')}</p>
          {ended && !error && (
            <p className="notice" role="status">
              {t('sign.ended')}
            </p>
          )}
          <label>
            {t('sign.user')}
            <input
              name="user"
              autoComplete="username"
              autoFocus
              required
              maxLength={64}
              value={user}
              onChange={(e) => setUser(e.target.value)}
              readOnly={asksCode}
              spellCheck={false}
              autoCapitalize="none"
            />
          </label>
          <label>
            {t('sign.password')}
            <input
              name="password"
              type="password"
              autoComplete="current-password"
              required
              maxLength={128}
              value={password}
              onChange={(e) => setPassword(e.target.value)}
              readOnly={asksCode}
            />
          </label>
          {step.at === 'enrol' && (
            <p className="enrol" role="status">
              {t('sign.enrol')}
              <br />
              {t('sign.key')}: <code>{step.secret}</code>
            </p>
          )}
          {asksCode && (
            <label>
              {t('sign.totp')}
              <input
                ref={code}
                name="totp"
                inputMode="numeric"
                autoComplete="one-time-code"
                pattern="[0-9]{6}"
                maxLength={6}
                required
                value={totp}
                onChange={(e) => setTotp(e.target.value)}
                aria-describedby="totp-hint"
              />
              <small id="totp-hint" className="dim">
                {t('sign.totpHint')}
              </small>
            </label>
          )}
          {error instanceof ApiError && error.status === 401 ? (
            <div className="problem" role="alert">
              <strong>{t('sign.wrong')}</strong>
            </div>
          ) : (
            <Problem error={error} />
          )}
          <button type="submit" className="primary" disabled={busy}>
            {busy ? t('sign.doing') : t('sign.do')}
          </button>
          {asksCode && (
            <button
              type="button"
              className="ghost"
              onClick={() => {
                setStep({ at: 'password' });
                setTotp('');
                setError(undefined);
              }}
            >
              {t('common.cancel')}
            </button>
          )}
        </form>
      </main>
    </div>
  );
}
