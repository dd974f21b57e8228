// Proofs as files, and what they prove: found out in this browser, against keys that the person chooses to trust.

import { useEffect, useRef, useState, type DragEvent, type FormEvent, type ReactNode } from 'react';

import { ApiError } from '../../api';
import { auditProofFile, evidenceKeys, proofFile, sinceFile, type WantedProof } from '../../evidence';
import { useDoing } from '../../hooks';
import { save, useCan } from '../../parts/oversight';
import { Panel, Problem } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useParam } from '../../router';
import { useSession } from '../../session';
import { FILE_MAX, verify, type AskToday, type Trust, type Verdict } from '../../proof/verify';
import { VerdictBox } from './Verdict';

const TOO_LARGE = { title: 'The file is too large for a browser.', title_zh: '文件过大，浏览器无法校验' };
const NO_CRYPTO = {
  title: 'This browser gives no SHA-256 here. Open the console by https or at localhost.',
  title_zh: '浏览器在此地址不提供 SHA-256，请通过 https 或 localhost 打开控制台',
};

export function Proofs(): ReactNode {
  const { t } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const [auditNumber] = useParam('audit');
  const [verdict, setVerdict] = useState<{ name: string; found: Verdict }>();
  const [own, setOwn] = useState('');
  const [source, setSource] = useState<'server' | 'own'>('server');
  const { busy, error, run } = useDoing(() => undefined);

  const trust = async (): Promise<Trust> => {
    if (source === 'own') return { keys: own.split(/\s+/).filter(Boolean), all: true };
    const told = await evidenceKeys();
    return { keys: [...told.keys, ...told.retired, ...told.witnesses].map((key) => key.verifier), all: false };
  };
  const today: AskToday = async (origin, size) => {
    if (!can('evidence.read') || size === 0 || (await evidenceKeys()).origin !== origin) return undefined;
    const account = can('system.read') ? undefined : me.accounts[0];
    return (await sinceFile(String(size), account)).text();
  };
  const check = async (file: Blob, name: string): Promise<void> => {
    setVerdict(undefined);
    if (!('subtle' in crypto)) throw new ApiError(0, NO_CRYPTO, null);
    if (file.size > FILE_MAX) throw new ApiError(0, TOO_LARGE, null);
    setVerdict({ name, found: await verify(await file.text(), await trust(), today) });
  };
  // Who comes from an entry of the audit trail wants to see its proof.
  const begun = useRef('');
  useEffect(() => {
    if (!/^\d{1,18}$/.test(auditNumber) || begun.current === auditNumber) return;
    begun.current = auditNumber;
    run(async () => check(await auditProofFile(auditNumber), `heng-audit-${auditNumber}.json`));
  });

  return (
    <div className="page oversight proofs" style={{ padding: 0 }}>
      {can('evidence.read') && <Get busy={busy} run={run} check={check} />}
      <Panel title={t('evi.check')} className="check-proof">
        <p className="prose">{t('evi.checkHint')}</p>
        <form className="form" onSubmit={(event) => event.preventDefault()}>
          <fieldset className="grow">
            <legend>{t('evi.trust')}</legend>
            <div className="checks-list">
              {(['server', 'own'] as const).map((one) => (
                <label key={one} className="box">
                  <input
                    type="radio"
                    name="trust"
                    value={one}
                    checked={source === one}
                    onChange={() => setSource(one)}
                  />
                  {t(one === 'server' ? 'evi.trustServer' : 'evi.trustOwn')}
                </label>
              ))}
            </div>
            {source === 'own' ? (
              <textarea
                name="trusted-keys"
                aria-label={t('evi.trustOwn')}
                placeholder="name+1a2b3c4d+AXp…"
                maxLength={20_000}
                spellCheck={false}
                value={own}
                onChange={(e) => setOwn(e.target.value)}
              />
            ) : (
              <p className="dim">{t('evi.trustServerHint')}</p>
            )}
          </fieldset>
        </form>
        <Drop
          busy={busy || (source === 'own' && own.trim() === '')}
          onFile={(file) => run(() => check(file, file.name))}
        />
        {busy && (
          <p className="prose" role="status">
            {t('evi.checking')}
          </p>
        )}
        <Problem error={error} />
        {verdict && <VerdictBox name={verdict.name} of={verdict.found} />}
      </Panel>
    </div>
  );
}

function Drop({ busy, onFile }: { busy: boolean; onFile: (file: File) => void }): ReactNode {
  const { t } = usePrefs();
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file && !busy) onFile(file);
  };
  return (
    <div
      className={`drop ${over ? 'over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <label className="grow">
        {t('evi.file')}
        <input
          type="file"
          name="bundle"
          accept=".json,application/json"
          disabled={busy}
          onChange={(event) => {
            const file = event.target.files?.[0];
            if (file) onFile(file);
            // The same file may be chosen again, after it was changed.
            event.target.value = '';
          }}
        />
      </label>
    </div>
  );
}

function Get({
  busy,
  run,
  check,
}: {
  busy: boolean;
  run: (what: () => Promise<unknown>) => void;
  check: (file: Blob, name: string) => Promise<void>;
}): ReactNode {
  const { t } = usePrefs();
  const { me, staff } = useSession();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const told = (name: string): string => String(form.get(name) ?? '').trim();
    const wanted: WantedProof = {
      account: told('account'),
      order: told('order'),
      from: told('from'),
      to: told('to'),
      witnessed: form.get('witnessed') === 'yes',
    };
    const parts = [wanted.account && `account-${wanted.account}`, wanted.order && `order-${wanted.order}`];
    const name = `${['heng-proof', ...parts].filter(Boolean).join('-')}.json`;
    const saves = (event.nativeEvent as SubmitEvent).submitter?.getAttribute('value') === 'save';
    run(async () => {
      const file = await proofFile(wanted);
      if (saves) save(file, name);
      else await check(file, name);
    });
  };
  const id = { inputMode: 'numeric', pattern: '[1-9][0-9]{0,17}', maxLength: 18, autoComplete: 'off' } as const;
  return (
    <Panel title={t('evi.get')} className="get-proof">
      <form className="form" onSubmit={submit}>
        <label>
          {t('client.account')}
          <input name="account" required={!staff} defaultValue={me.accounts[0] ?? ''} {...id} />
        </label>
        <label>
          {t('order.id')}
          <input name="order" {...id} />
        </label>
        <label>
          {t('evi.fromCommand')}
          <input name="from" {...id} />
        </label>
        <label>
          {t('evi.toCommand')}
          <input name="to" {...id} />
        </label>
        <label className="box">
          <input type="checkbox" name="witnessed" value="yes" />
          {t('evi.witnessed')}
        </label>
        <button type="submit" value="check" className="primary" disabled={busy} data-act="get-and-check">
          {t('evi.getAndCheck')}
        </button>
        <button type="submit" value="save" disabled={busy} data-act="get-proof">
          {t('evi.download')}
        </button>
      </form>
      <p className="prose dim">{t('evi.getHint')}</p>
    </Panel>
  );
}
