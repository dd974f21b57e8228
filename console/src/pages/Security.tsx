// What a person has beside the password, where they are signed in, and their keys.

import { useState, type FormEvent, type ReactNode } from 'react';

import { moment } from '../format';
import { useDoing, useLoad } from '../hooks';
import { Refusal } from '../parts/StepUp';
import { Dialog, Dot, Panel, Table } from '../parts/ui';
import { usePrefs } from '../prefs';
import {
  addPasskey,
  apiKeys,
  canPasskey,
  changePassword,
  devices,
  endDevice,
  endDevices,
  factors,
  makeApiKey,
  makeRecoveryCodes,
  removePasskey,
  renamePasskey,
  revokeApiKey,
  type Factors,
  type Passkey,
} from '../security';

const when = (text: string | undefined): string => moment(text);

export default function Security(): ReactNode {
  const { t } = usePrefs();
  return (
    <div className="page security">
      <h1 className="sr">{t('nav.security')}</h1>
      <Password />
      <OwnFactors />
      <Devices />
      <Keys />
    </div>
  );
}

function Password(): ReactNode {
  const { t } = usePrefs();
  const [done, setDone] = useState(false);
  const { busy, error, run } = useDoing(() => setDone(true));
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const typed = (name: string): string => String(new FormData(form).get(name) ?? '');
    setDone(false);
    run(async () => {
      await changePassword(typed('current-password'), typed('new-password'));
      form.reset();
    });
  };
  return (
    <Panel title={t('sec.password')} className="sec-password">
      <form className="filters" onSubmit={submit}>
        <label>
          {t('sign.password')}
          <input name="current-password" type="password" autoComplete="current-password" required maxLength={128} />
        </label>
        <label>
          {t('sec.newPassword')}
          <input
            name="new-password"
            type="password"
            autoComplete="new-password"
            required
            minLength={12}
            maxLength={128}
            aria-describedby="password-hint"
          />
        </label>
        <button type="submit" disabled={busy} data-act="change-password">
          {t('sec.changePassword')}
        </button>
      </form>
      <Refusal error={error} />
      <p className="hint dim" id="password-hint" role="status">
        {t(done ? 'sec.passwordChanged' : 'sec.passwordHint')}
      </p>
    </Panel>
  );
}

function OwnFactors(): ReactNode {
  const { t } = usePrefs();
  const own = useLoad(factors, 'factors');
  const { busy, error, run } = useDoing(own.reload);
  const [adding, setAdding] = useState(false);
  const [naming, setNaming] = useState<Passkey>();
  const [codes, setCodes] = useState<string[]>();
  const here = own.data;
  return (
    <Panel
      title={t('sec.passkeys')}
      className="sec-passkeys"
      tools={
        <>
          <button type="button" disabled={!canPasskey() || !here} onClick={() => setAdding(true)} data-act="add-passkey">
            {t('sec.addPasskey')}
          </button>
          <button
            type="button"
            disabled={busy || !here || !(here.totp || here.passkeys.length > 0)}
            onClick={() => run(async () => setCodes(await makeRecoveryCodes()))}
            data-act="recovery"
          >
            {t('sec.recovery')}
          </button>
        </>
      }
    >
      <Refusal error={error ?? own.error} />
      {here && !canPasskey() && (
        <p className="notice" role="status">
          {t('sec.elsewhere')} <code>{here.origin}</code>
        </p>
      )}
      <Table
        label={t('sec.passkeys')}
        rows={here?.passkeys ?? []}
        id={(p) => p.id}
        empty={t('sec.noPasskeys')}
        columns={[
          { key: 'n', head: t('sec.name'), cell: (p) => p.name },
          { key: 'c', head: t('sec.made'), width: 10, spare: true, cell: (p) => when(p.created) },
          { key: 'u', head: t('sec.used'), width: 10, cell: (p) => when(p.used) },
          {
            key: 'a',
            head: '',
            width: 11,
            cell: (p) => (
              <>
                <button type="button" onClick={() => setNaming(p)} data-act="rename-passkey">
                  {t('sec.rename')}
                </button>{' '}
                <button
                  type="button"
                  disabled={busy}
                  onClick={() => run(() => removePasskey(p.id))}
                  data-act="remove-passkey"
                >
                  {t('sec.remove')}
                </button>
              </>
            ),
          },
        ]}
      />
      {here && (
        <p className="hint dim">
          {t('sec.totp')}: {t(here.totp ? 'common.yes' : 'common.no')} · {t('sec.recoveryLeft')}:{' '}
          {t(here.recovery ? 'common.yes' : 'common.no')}
        </p>
      )}
      <AddPasskey
        open={adding}
        factors={here}
        onClose={() => setAdding(false)}
        onMade={() => {
          setAdding(false);
          own.reload();
        }}
      />
      <Rename
        passkey={naming}
        onClose={() => setNaming(undefined)}
        onNamed={() => {
          setNaming(undefined);
          own.reload();
        }}
      />
      <Dialog open={codes !== undefined} title={t('sec.recovery')} onClose={() => setCodes(undefined)}>
        <p>{t('sec.recoveryOnce')}</p>
        <pre data-recovery tabIndex={0}>
          {codes?.join('\n')}
        </pre>
      </Dialog>
    </Panel>
  );
}

function AddPasskey({
  open,
  factors: own,
  onClose,
  onMade,
}: {
  open: boolean;
  factors: Factors | undefined;
  onClose: () => void;
  onMade: () => void;
}): ReactNode {
  const { t } = usePrefs();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const { busy, error, run } = useDoing(() => {
    setName('');
    setPassword('');
    onMade();
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const hasFactor = own !== undefined && (own.totp || own.passkeys.length > 0);
    run(() => addPasskey(name.trim(), password, hasFactor));
  };
  return (
    <Dialog open={open} title={t('sec.addPasskey')} onClose={onClose}>
      <form className="step-up" onSubmit={submit}>
        <p>{t('sec.addHint')}</p>
        <label>
          {t('sec.name')}
          <input
            name="passkey-name"
            data-focus
            required
            maxLength={64}
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
        </label>
        <label>
          {t('sign.password')}
          <input
            name="passkey-password"
            type="password"
            autoComplete="current-password"
            required
            maxLength={128}
            value={password}
            onChange={(e) => setPassword(e.target.value)}
          />
        </label>
        <Refusal error={error} />
        <footer>
          <button type="button" className="ghost" onClick={onClose}>
            {t('common.cancel')}
          </button>
          <button type="submit" className="primary" disabled={busy} data-act="make-passkey">
            {t('sec.addPasskey')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Rename({
  passkey,
  onClose,
  onNamed,
}: {
  passkey: Passkey | undefined;
  onClose: () => void;
  onNamed: () => void;
}): ReactNode {
  const { t } = usePrefs();
  const { busy, error, run } = useDoing(onNamed);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get('new-name') ?? '').trim();
    if (passkey) run(() => renamePasskey(passkey.id, name));
  };
  return (
    <Dialog open={passkey !== undefined} title={t('sec.rename')} onClose={onClose}>
      <form className="step-up" onSubmit={submit}>
        <label>
          {t('sec.name')}
          <input name="new-name" data-focus required maxLength={64} defaultValue={passkey?.name} />
        </label>
        <Refusal error={error} />
        <footer>
          <button type="submit" className="primary" disabled={busy} data-act="name-passkey">
            {t('common.confirm')}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Devices(): ReactNode {
  const { t, name } = usePrefs();
  const all = useLoad(devices, 'devices', 15_000);
  const { busy, error, run } = useDoing(all.reload);
  return (
    <Panel
      title={t('sec.devices')}
      className="sec-devices"
      tools={
        <button type="button" disabled={busy} onClick={() => run(endDevices)} data-act="end-devices">
          {t('sec.endOthers')}
        </button>
      }
    >
      <Refusal error={error ?? all.error} />
      <Table
        label={t('sec.devices')}
        rows={all.data ?? []}
        id={(d) => d.id}
        columns={[
          {
            key: 'd',
            head: t('sec.device'),
            cell: (d) => (
              <>
                {d.device || '–'} {d.current && <Dot tone="good">{t('sec.this')}</Dot>}
              </>
            ),
          },
          { key: 'm', head: t('sec.means'), width: 7, cell: (d) => name('means', d.means) },
          {
            key: 'p',
            head: t('sec.place'),
            width: 9,
            spare: true,
            cell: (d) => <span title={d.address}>{name('place', d.place)}</span>,
          },
          { key: 'u', head: t('sec.used'), width: 10, cell: (d) => when(d.used) },
          {
            key: 'a',
            head: '',
            width: 5,
            cell: (d) =>
              d.current ? null : (
                <button type="button" disabled={busy} onClick={() => run(() => endDevice(d.id))} data-act="end-device">
                  {t('sec.end')}
                </button>
              ),
          },
        ]}
      />
    </Panel>
  );
}

function Keys(): ReactNode {
  const { t } = usePrefs();
  const all = useLoad(apiKeys, 'api-keys');
  const { busy, error, run } = useDoing(all.reload);
  const [made, setMade] = useState<{ id: string; secret: string }>();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get('key-name') ?? '').trim();
    const scopes = String(new FormData(form).get('key-scopes') ?? '')
      .split(/[\s,]+/)
      .filter(Boolean);
    run(async () => {
      setMade(await makeApiKey(name, scopes));
      form.reset();
    });
  };
  return (
    <Panel title={t('sec.keys')} className="sec-keys">
      <form className="filters" onSubmit={submit}>
        <label>
          {t('sec.name')}
          <input name="key-name" required maxLength={64} />
        </label>
        <label>
          {t('sec.scopes')}
          <input name="key-scopes" placeholder="order.read fill.read" maxLength={400} />
        </label>
        <button type="submit" disabled={busy} data-act="make-key">
          {t('sec.makeKey')}
        </button>
      </form>
      <Refusal error={error ?? all.error} />
      <Table
        label={t('sec.keys')}
        rows={all.data ?? []}
        id={(k) => k.id}
        columns={[
          { key: 'n', head: t('sec.name'), cell: (k) => <span title={k.id}>{k.name}</span> },
          { key: 's', head: t('sec.scopes'), cell: (k) => (k.scopes.length ? k.scopes.join(' ') : t('common.all')) },
          { key: 'e', head: t('sec.expires'), width: 10, spare: true, cell: (k) => when(k.expires) },
          {
            key: 'a',
            head: '',
            width: 6,
            cell: (k) => (
              <button type="button" disabled={busy} onClick={() => run(() => revokeApiKey(k.id))} data-act="revoke-key">
                {t('sec.revoke')}
              </button>
            ),
          },
        ]}
      />
      <Dialog open={made !== undefined} title={t('sec.keyMade')} onClose={() => setMade(undefined)}>
        <p>{t('sec.keyOnce')}</p>
        <pre data-made-key tabIndex={0}>{`${made?.id ?? ''}\n${made?.secret ?? ''}`}</pre>
      </Dialog>
    </Panel>
  );
}
