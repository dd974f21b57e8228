// Changes of roles: one person asks, another one decides.

import type { ReactNode } from 'react';

import { decideRoles, roleChanges } from '../../access';
import { moment } from '../../format';
import { useDoing, usePages } from '../../hooks';
import { Accounts, Chips, More, useCan, useNames, Waiting } from '../../parts/oversight';
import { Refusal } from '../../parts/StepUp';
import { Dot, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import { useSession } from '../../session';

const TONE = { proposed: 'warn', approved: 'good', declined: 'idle' } as const;

export function RoleChanges(): ReactNode {
  const { t, name } = usePrefs();
  const { me } = useSession();
  const can = useCan();
  const all = usePages(roleChanges, 'role-changes');
  const { busy, error, run } = useDoing(all.reload);
  const rows = all.rows ?? [];
  const named = useNames(rows.flatMap((c) => [c.user, c.by, c.decidedBy]));
  return (
    <Panel title={t('acc.changes')} className="role-changes roomy long">
      <p className="prose">{t('acc.changesHint')}</p>
      <Refusal error={error} />
      <Problem error={all.error} onRetry={all.reload} />
      <Table
        label={t('acc.changes')}
        rows={rows}
        id={(c) => c.id}
        empty={<Waiting of={all} />}
        columns={[
          { key: 'n', head: t('acc.number'), width: 5, cell: (c) => c.id },
          { key: 'u', head: t('sec.user'), width: 10, cell: (c) => <span title={`#${c.user}`}>{named(c.user)}</span> },
          { key: 'r', head: t('acc.newRoles'), width: 13, cell: (c) => <Chips group="duty" names={c.roles} /> },
          { key: 'a', head: t('acc.accounts'), width: 6, cell: (c) => <Accounts of={c.accounts} /> },
          { key: 'w', head: t('sec.reason'), cell: (c) => <span title={c.reason}>{c.reason}</span> },
          {
            key: 'b',
            head: t('acc.askedBy'),
            width: 8,
            cell: (c) => <span title={moment(c.at)}>{named(c.by)}</span>,
          },
          {
            key: 's',
            head: t('sec.state'),
            width: 7,
            cell: (c) => (
              <span data-change={c.state} title={c.decidedBy ? `${named(c.decidedBy)} ${moment(c.decidedAt)}` : ''}>
                <Dot tone={TONE[c.state as keyof typeof TONE] ?? 'idle'}>{name('change', c.state)}</Dot>
              </span>
            ),
          },
          {
            key: 'd',
            head: t('acc.decision'),
            width: 11,
            cell: (c) =>
              c.state !== 'proposed' ? (
                named(c.decidedBy)
              ) : c.by === me.id || c.user === me.id ? (
                <span className="dim">{t('acc.another')}</span>
              ) : can('role.decide') ? (
                <>
                  <button
                    type="button"
                    disabled={busy}
                    onClick={() => run(() => decideRoles(c.id, 'approve'))}
                    data-act="approve-roles"
                  >
                    {t('sec.approve')}
                  </button>{' '}
                  <button
                    type="button"
                    disabled={busy}
                    onClick={() => run(() => decideRoles(c.id, 'decline'))}
                    data-act="decline-roles"
                  >
                    {t('sec.decline')}
                  </button>
                </>
              ) : null,
          },
        ]}
      />
      <More list={all} />
    </Panel>
  );
}
