// What was found out about a bundle, step by step, and what its records say of themselves.

import type { ReactNode } from 'react';

import { grouped, NONE } from '../../format';
import { at } from '../../parts/oversight';
import { Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';
import type { Mark, ShownLeaf, Verdict } from '../../proof/verify';

const SIGN: Record<Mark, [string, string]> = {
  good: ['✓', 'good'],
  bad: ['✗', 'bad'],
  open: ['?', 'warn'],
  none: ['–', 'dim'],
};

export function VerdictBox({ name, of }: { name: string; of: Verdict }): ReactNode {
  const { t } = usePrefs();
  return (
    <>
      <section
        className={`verdict-box ${of.verdict}`}
        role="status"
        data-verdict={of.verdict}
        aria-label={t('evi.verdict')}
      >
        <h3>{t(`verdict.${of.verdict}`)}</h3>
        <p>
          <code>{name}</code> {of.origin && `· ${of.origin} · ${t('evi.size')} ${grouped(String(of.size))}`}
        </p>
        <p className="dim">{t(`verdict.${of.verdict}Hint`)}</p>
        <ol className="steps">
          {of.steps.map((step) => {
            const [sign, tone] = SIGN[step.mark];
            return (
              <li key={step.name} data-step={step.name} data-mark={step.mark}>
                <span className={`mark ${tone}`} aria-hidden="true">
                  {sign}
                </span>
                <span>
                  <span className="sr">{t(`mark.${step.mark}`)}: </span>
                  {t(`prove.${step.name}`)}
                </span>
                <span className="detail">{step.mark === 'none' ? t('mark.none') : step.detail}</span>
              </li>
            );
          })}
        </ol>
      </section>
      {of.leaves.length > 0 && <Records leaves={of.leaves} />}
    </>
  );
}

/** Only what was read from the proven bytes; the words beside them are not shown. */
function Records({ leaves }: { leaves: ShownLeaf[] }): ReactNode {
  const { t, name } = usePrefs();
  const about = ({ record }: ShownLeaf): string => {
    if (record.kind === 'gone') return t('evi.gone');
    if (record.kind === 'command')
      return `${record.account === 0n ? t('evi.house') : `${t('client.account')} ${record.account}`} · ${record.events} ${t('evi.events')}`;
    const { action, outcome, resource, principal } = record;
    return `${action} · ${name('outcome', outcome)} · #${principal} · ${resource || NONE}`;
  };
  return (
    <Table
      label={t('evi.records')}
      className="proven-records"
      rows={leaves.slice(0, 200)}
      id={(leaf) => String(leaf.index)}
      columns={[
        { key: 'i', head: t('evi.leaf'), width: 6, figure: true, cell: (leaf) => grouped(String(leaf.index)) },
        { key: 'k', head: t('acc.kind'), width: 6, cell: ({ record }) => t(`record.${record.kind}`) },
        {
          key: 'n',
          head: t('acc.number'),
          width: 7,
          figure: true,
          cell: ({ record }) => (record.kind === 'gone' ? NONE : grouped(String(record.number))),
        },
        {
          key: 't',
          head: t('common.time'),
          width: 11,
          cell: ({ record }) => (record.kind === 'gone' ? NONE : at(Number(record.time / 1_000_000n))),
        },
        { key: 'a', head: t('evi.says'), cell: (leaf) => <span title={about(leaf)}>{about(leaf)}</span> },
      ]}
    />
  );
}
