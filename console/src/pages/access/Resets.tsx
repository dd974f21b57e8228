// Codes for people who lost their password or their factors.

import { useState, type FormEvent, type ReactNode } from 'react';

import { askReset, decideReset, resets } from '../../access';
import { moment } from '../../format';
import { useDoing, useLoad } from '../../hooks';
import { useCan, useNames } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dialog, Panel, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useSession } from '../../session';

export function Resets(): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const all = useLoad(resets, 'resets', 15_000);
  const { busy, error, run } = useDoing(all.reload);
  const named = useNames((all.data ?? []).map((r) => r.user));
  const [code, setCode] = useState<string>();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    run(async () => {
      const reason = String(data.get('reset-reason') ?? '').trim();
      setCode(await askReset(String(data.get('reset-user') ?? '').trim(), data.get('reset-factors') !== null, reason));
      form.reset();
    });
  };
  return (
    <Panel title={t('sec.resets')} className="sec-resets roomy">
      {can('user.write') && (
        <form className="filters" onSubmit={submit}>
          <label>
            {t('sec.user')}
            <input name="reset-user" required pattern="[1-9][0-9]{0,17}" inputMode="numeric" maxLength={18} size={6} />
          </label>
          <label>
            {t('sec.reason')}
            <input name="reset-reason" required maxLength={256} />
          </label>
          <label>
            <input name="reset-factors" type="checkbox" /> {t('sec.resetFactors')}
          </label>
          <button type="submit" disabled={busy} data-act="ask-reset">
            {t('sec.askReset')}
          </button>
        </form>
      )}
      <Refusal error={error ?? all.error} />
      <Table
        label={t('sec.resets')}
        rows={all.data ?? []}
        id={(r) => r.id}
        columns={[
          { key: 'u', head: t('sec.user'), width: 10, cell: (r) => <span title={`#${r.user}`}>{named(r.user)}</span> },
          { key: 'w', head: t('sec.reason'), cell: (r) => r.reason },
          {
            key: 'f',
            head: t('sec.resetFactors'),
            width: 9,
            spare: true,
            cell: (r) => t(r.factors ? 'common.yes' : 'common.no'),
          },
          { key: 't', head: t('sec.made'), width: 10, spare: true, cell: (r) => moment(r.at) },
          { key: 's', head: t('sec.state'), width: 6, cell: (r) => name('reset', r.state) },
          {
            key: 'a',
            head: '',
            width: 11,
            cell: (r) =>
              can('role.decide') && r.state === 'proposed' && r.by !== me.id && r.user !== me.id ? (
                <>
                  <button
                    type="button"
                    disabled={busy}
                    onClick={() => run(async () => setCode(await decideReset(r.id, 'approve')))}
                  >
                    {t('sec.approve')}
                  </button>{' '}
                  <button type="button" disabled={busy} onClick={() => run(() => decideReset(r.id, 'decline'))}>
                    {t('sec.decline')}
                  </button>
                </>
              ) : null,
          },
        ]}
      />
      <Dialog open={code !== undefined} title={t('sec.resetCode')} onClose={() => setCode(undefined)}>
        <p>{t('sec.resetOnce')}</p>
        <pre data-reset-code tabIndex={0}>
          {code}
        </pre>
      </Dialog>
    </Panel>
  );
}
