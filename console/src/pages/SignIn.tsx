import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';

import {
  ApiError,
  me as askMe,
  signIn,
  type Me,
  type SecondFactor,
  type SecondFactors,
  type SignIn as SignInState,
} from '../api';
import { Settings } from '../app';
import { Refusal } from '../parts/StepUp';
import { usePrefs } from '../prefs';
import { noteSession } from '../remembered';
import type { Word } from '../words';
import { canPasskey, changePassword, confirmTotp, enrolTotp, usePasskey, usePasswordReset } from '../security';
import { begun, forgetReturn, methods, pathBack, proveSignOn, startOf, type Methods } from '../signOn';

/**
 * What is asked for next: the password, a second factor, another password in the place of one that somebody else knows,
 * the first code of a factor that is being set up, or the code of a reset.
 */
type Step =
  | { at: 'password' }
  | { at: 'code'; factors: SecondFactors; recovery: boolean }
  | { at: 'change' }
  | { at: 'enrol'; secret: string }
  | { at: 'reset' };

export function SignIn({ ended, onSignedIn }: { ended: boolean; onSignedIn: (me: Me) => void }): ReactNode {
  const { t } = usePrefs();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [totp, setTotp] = useState('');
  const [next, setNext] = useState('');
  const [told, setTold] = useState(false);
  const [step, setStep] = useState<Step>({ at: 'password' });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const code = useRef<HTMLInputElement>(null);
  const [ways, setWays] = useState<Methods>();
  // What a return from the provider says: a factor is needed here as well, or why nobody came in.
  const [returned, setReturned] = useState(begun);
  const signOn = returned === 'factor';
  const reset = step.at === 'reset';
  const choosesNew = reset || step.at === 'change';
  const asksMore = step.at !== 'password';
  const recovery = reset || (step.at === 'code' && step.recovery);
  const asksCode = reset || step.at === 'enrol' || (step.at === 'code' && (step.factors.totp || step.recovery));
  const passkey = step.at === 'code' && canPasskey() ? step.factors.passkey : undefined;

  useEffect(() => {
    document.title = `${t('sign.title')} · Heng 衡`;
  }, [t]);
  useEffect(() => {
    if (asksCode) code.current?.focus();
  }, [asksCode]);

  useEffect(() => {
    methods().then(setWays, () => undefined);
    if (!signOn) return;
    void attempt(async () => {
      const answer = await proveSignOn();
      if (answer.state === 'code') setStep({ at: 'code', factors: answer.factors, recovery: false });
    });
    // Once, when the page opens.
  }, []);

  /** The second factor goes where the first one was proven. */
  const prove = (factor?: SecondFactor): ReturnType<typeof signIn> =>
    signOn ? proveSignOn(factor) : signIn(user.trim(), password, factor);
  const arrive = (me: Me): void => {
    if (signOn) forgetReturn(pathBack());
    onSignedIn(me);
  };

  const go = async (): Promise<void> => {
    if (step.at === 'enrol') {
      await confirmTotp(totp.trim());
      return arrive(await askMe());
    }
    const typed = totp.trim();
    if (reset) {
      await usePasswordReset(user.trim(), typed, next);
      setTotp('');
      setNext('');
      setTold(true);
      return setStep({ at: 'password' });
    }
    if (step.at === 'change') {
      await changePassword(password, next);
      setPassword(next);
      const now = await askMe();
      // Staff without a second factor can do nothing else yet.
      if (!now.scopes?.includes('self.enrol')) return arrive(now);
      return setStep({ at: 'enrol', secret: (await enrolTotp(next)).secret });
    }
    const factor = step.at !== 'code' ? undefined : step.recovery ? { recovery_code: typed } : { totp: typed };
    await goOn(await prove(factor));
  };
  const goOn = async (answer: SignInState): Promise<void> => {
    if (answer.state === 'in') return arrive(answer.me);
    if (answer.state === 'change') return setStep({ at: 'change' });
    if (answer.state === 'code') return setStep({ at: 'code', factors: answer.factors, recovery: false });
    setTotp('');
    setStep({ at: 'enrol', secret: (await enrolTotp(password)).secret });
  };
  const byPasskey = async (): Promise<void> => {
    if (!passkey) return;
    const credential = await usePasskey(passkey.options);
    await goOn(await prove({ passkey: { id: passkey.id, credential } }));
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void attempt(passkey && !asksCode ? byPasskey : go);
  };
  const attempt = async (what: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await what();
    } catch (failure) {
      // A passkey's challenge is good once: the password gets a fresh one, and a sign-on begins anew.
      if (what === byPasskey) leave();
      if (signOn && step.at === 'password' && failure instanceof ApiError && failure.status === 401) leave('expired');
      else setError(failure);
      setTotp('');
    }
    setBusy(false);
  };

  const leave = (why?: string): void => {
    setStep({ at: 'password' });
    forgetReturn('/');
    setReturned(why);
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
        <form className="sign-form" onSubmit={submit} aria-labelledby="sign-title">
          <img src="/heng.svg" alt="" width="52" height="52" />
          <h1 id="sign-title">{t('sign.title')}</h1>
          <p className="dim">Heng 衡 · {t('sign.intro')}</p>
          {(ended || told || reset || step.at === 'change') && !error && (
            <p className="notice" role="status">
              {t(reset ? 'sign.resetHint' : step.at === 'change' ? 'sign.mustChange' : told ? 'sign.changed' : 'sign.ended')}
            </p>
          )}
          {returned && !error && (
            <p className="notice" role="status" data-sso={returned}>
              {t(`sign.on.${returned}` as Word)}
            </p>
          )}
          {!signOn && (
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
                  readOnly={asksMore && !reset}
                  spellCheck={false}
                  autoCapitalize="none"
                />
              </label>
          )}
          {(signOn ? step.at === 'change' : !reset) && (
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
                readOnly={asksMore && !signOn}
              />
            </label>
          )}
          {step.at === 'enrol' && (
            <p className="enrol" role="status">
              {t('sign.enrol')}
              <br />
              {t('sign.key')}: <code>{step.secret}</code>
            </p>
          )}
          {asksCode && (
            <label>
              {t(reset ? 'sign.resetCode' : recovery ? 'sign.recovery' : 'sign.totp')}
              <input
                ref={code}
                name={reset ? 'reset-code' : recovery ? 'recovery' : 'totp'}
                inputMode={recovery ? 'text' : 'numeric'}
                autoComplete="one-time-code"
                pattern={recovery ? '[A-Za-z0-9 \\-]{16,32}' : '[0-9]{6}'}
                maxLength={recovery ? 32 : 6}
                required
                value={totp}
                onChange={(e) => setTotp(e.target.value)}
                aria-describedby={recovery ? undefined : 'totp-hint'}
              />
              {!recovery && (
                <small id="totp-hint" className="dim">
                  {t('sign.totpHint')}
                </small>
              )}
            </label>
          )}
          {choosesNew && (
            <label>
              {t('sec.newPassword')}
              <input
                name="new-password"
                type="password"
                autoComplete="new-password"
                required
                minLength={12}
                maxLength={128}
                value={next}
                onChange={(e) => setNext(e.target.value)}
                aria-describedby="new-hint"
              />
              <small id="new-hint" className="dim">
                {t('sec.passwordHint')}
              </small>
            </label>
          )}
          {error instanceof ApiError && error.status === 401 ? (
            <div className="problem" role="alert">
              <strong>{t('sign.wrong')}</strong>
            </div>
          ) : (
            <Refusal error={error} />
          )}
          {passkey && (
            <button
              type="button"
              className={asksCode ? undefined : 'primary'}
              disabled={busy}
              onClick={() => void attempt(byPasskey)}
              data-act="sign-in-passkey"
            >
              {t('sign.passkey')}
            </button>
          )}
          {(asksCode || !passkey) && (
            <button type="submit" className="primary" disabled={busy}>
              {busy ? t('sign.doing') : t(choosesNew ? 'common.confirm' : 'sign.do')}
            </button>
          )}
          {step.at === 'code' && step.factors.recovery && !step.recovery && (
            <button
              type="button"
              className="ghost"
              onClick={() => setStep({ ...step, recovery: true })}
              data-act="use-recovery"
            >
              {t('sign.useRecovery')}
            </button>
          )}
          {step.at === 'password' && (
            <button type="button" className="ghost" onClick={() => setStep({ at: 'reset' })} data-act="use-reset">
              {t('sign.useReset')}
            </button>
          )}
          {asksMore && (
            <button
              type="button"
              className="ghost"
              onClick={() => {
                leave();
                setTotp('');
                setNext('');
                setError(undefined);
              }}
            >
              {t('common.cancel')}
            </button>
          )}
          {ways?.oidc && step.at === 'password' && (
            <>
              <p className="dim sign-or">{t('sign.or')}</p>
              {/* Whoever comes back with a session begins on the first page, too. */}
              <a className="button" href={startOf(ways.oidc)} onClick={() => noteSession(true)} data-act="sign-on">
                {ways.oidc.name}
              </a>
            </>
          )}
        </form>
      </main>
    </div>
  );
}
