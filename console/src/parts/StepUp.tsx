// The dialog of a fresh proof: what will happen, in the person's language, and how they confirm it.

import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';

import { usePrefs } from '../prefs';
import { NotConfirmed, onStepUp, usePasskey, type StepUpAsked, type StepUpProof } from '../security';
import { Dialog, Problem } from './ui';

interface Open {
  asked: StepUpAsked;
  prove: (proof: StepUpProof) => Promise<string>;
  done: (proof: string) => void;
  failed: (error: unknown) => void;
}

export function StepUpDialog(): ReactNode {
  const { t, lang } = usePrefs();
  const [open, setOpen] = useState<Open>();
  const [value, setValue] = useState('');
  const [busy, setBusy] = useState(false);
  const held = useRef<Open>(undefined);
  held.current = open;

  useEffect(() => {
    onStepUp(
      (asked, prove) =>
        new Promise((done, failed) => {
          // One at a time: a second question takes the place of the first, which counts as refused.
          held.current?.failed(new NotConfirmed());
          setValue('');
          setBusy(false);
          setOpen({ asked, prove, done, failed });
        }),
    );
    return () => onStepUp(undefined);
  }, []);

  const close = (): void => {
    open?.failed(new NotConfirmed());
    setOpen(undefined);
  };
  const confirm = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (!open) return;
    setBusy(true);
    try {
      const { asked } = open;
      const proof: StepUpProof =
        asked.means === 'passkey'
          ? { credential: await usePasskey(asked.options ?? {}) }
          : asked.means === 'totp'
            ? { code: value.trim() }
            : { password: value };
      open.done(await open.prove(proof));
    } catch (error) {
      // A challenge is tried once: whoever asked tells what went wrong, and the person begins again.
      open.failed(error);
    }
    setBusy(false);
    setOpen(undefined);
  };
  const means = open?.asked.means;
  return (
    <Dialog open={open !== undefined} title={t('step.title')} onClose={close}>
      {open && (
        <form className="step-up" onSubmit={(event) => void confirm(event)}>
          <p>{t('step.read')}</p>
          <pre data-step-up-text tabIndex={0}>
            {open.asked.text[lang]}
          </pre>
          {means === 'totp' && (
            <label>
              {t('sign.totp')}
              <input
                name="step-up-code"
                data-focus
                inputMode="numeric"
                autoComplete="one-time-code"
                pattern="[0-9]{6}"
                maxLength={6}
                required
                value={value}
                onChange={(e) => setValue(e.target.value)}
              />
            </label>
          )}
          {means === 'password' && (
            <label>
              {t('sign.password')}
              <input
                name="step-up-password"
                data-focus
                type="password"
                autoComplete="current-password"
                maxLength={128}
                required
                value={value}
                onChange={(e) => setValue(e.target.value)}
              />
            </label>
          )}
          <footer>
            <button type="button" className="ghost" onClick={close}>
              {t('common.cancel')}
            </button>
            <button
              type="submit"
              className="primary"
              disabled={busy}
              data-act="step-up"
              {...(means === 'passkey' ? { 'data-focus': true } : {})}
            >
              {t(means === 'passkey' ? 'step.byPasskey' : 'common.confirm')}
            </button>
          </footer>
        </form>
      )}
    </Dialog>
  );
}

/** What went wrong; nothing if the person only went back. */
export function Refusal({ error }: { error: unknown }): ReactNode {
  const { t } = usePrefs();
  if (error instanceof NotConfirmed) return null;
  if (error instanceof DOMException)
    return (
      <div className="problem" role="alert">
        <strong>{t('step.noPasskey')}</strong>
        <p>{error.message}</p>
      </div>
    );
  return <Problem error={error} />;
}
