// Lawful deletion: one person asks, another one approves, and the tree stays valid.

import type { FormEvent, ReactNode } from 'react';

import { approveDestruction, askDestruction, destructions } from '../../evidence';
import { grouped } from '../../format';
import { useDoing, useLoad } from '../../hooks';
import { at, useNames, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dot, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useSession } from '../../session';

const BASES = ['retention-ended', 'test-account'] as const;

export function Deletions(): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const all = useLoad(destructions, 'destructions', 15_000);
  const { busy, error, run } = useDoing(all.reload);
  const rows = all.data ?? [];
  const named = useNames(rows.flatMap((d) => [d.by, d.approvedBy]));
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    run(async () => {
      await askDestruction(String(data.get('account')), Number(data.get('year')), String(data.get('basis')));
      form.reset();
    });
  };
  return (
    <Panel title={t('evi.deletion')} className="deletions roomy long">
      <p className="prose">{t('evi.deletionHint')}</p>
      <form className="form" onSubmit={submit}>
        <label>
          {t('client.account')}
          <input name="account" required inputMode="numeric" pattern="[1-9][0-9]{0,17}" maxLength={18} />
        </label>
        <label>
          {t('evi.through')}
          <input name="year" type="number" required min={1990} max={9999} />
        </label>
        <label className="grow">
          {t('evi.basis')}
          <select name="basis">
            {BASES.map((basis) => (
              <option key={basis} value={basis}>
                {name('basis', basis)}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" disabled={busy} data-act="ask-deletion">
          {t('evi.askDeletion')}
        </button>
      </form>
      <Refusal error={error} />
      <Problem error={all.error} onRetry={all.reload} />
      <Table
        label={t('evi.deletion')}
        rows={rows}
        id={(d) => d.id}
        empty={<Waiting of={all} />}
        columns={[
          { key: 'n', head: t('acc.number'), width: 5, cell: (d) => d.id },
          { key: 'a', head: t('client.account'), width: 7, cell: (d) => d.account },
          { key: 'y', head: t('evi.through'), width: 7.5, cell: (d) => d.through },
          { key: 'b', head: t('evi.basis'), cell: (d) => name('basis', d.basis) },
          { key: 'w', head: t('acc.askedBy'), width: 9, cell: (d) => <span title={at(d.at)}>{named(d.by)}</span> },
          {
            key: 's',
            head: t('sec.state'),
            width: 7,
            cell: (d) => <Dot tone={d.state === 'done' ? 'good' : 'warn'}>{name('deletion', d.state)}</Dot>,
          },
          { key: 'k', head: t('evi.keysGone'), width: 6, figure: true, cell: (d) => grouped(d.keys) },
          {
            key: 'd',
            head: t('acc.decision'),
            width: 9,
            cell: (d) =>
              d.state === 'done' ? (
                <span title={at(d.approvedAt)}>{named(d.approvedBy)}</span>
              ) : d.by === me.id ? (
                <span className="dim">{t('acc.another')}</span>
              ) : (
                <button
                  type="button"
                  disabled={busy}
                  onClick={() => run(() => approveDestruction(d.id))}
                  data-act="approve-deletion"
                >
                  {t('sec.approve')}
                </button>
              ),
          },
        ]}
      />
    </Panel>
  );
}
