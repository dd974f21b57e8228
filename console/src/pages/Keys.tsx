// The keys that seal what is stored. This page only shows them: what changes keys takes two officers at the command line.

import { type ReactNode } from 'react';

import { ApiError } from '../api';
import { NONE } from '../format';
import { useLoad } from '../hooks';
import { ring, type Ring } from '../keyring';
import { at, Hash } from '../parts/oversight';
import { Dot, Empty, Facts, Panel, Problem, Table } from '../parts/ui';
import { usePrefs } from '../prefs';
import type { Word } from '../words';

const STATE_TONE = { current: 'good', closed: 'idle', destroyed: 'bad' } as const;

/** What is done, and how; the words behind them stand in docs/security/keys.md. */
const COMMANDS: readonly (readonly [Word, string])[] = [
  ['key.cmdStatus', 'heng keys status --data DIR'],
  ['key.cmdInit', 'heng keys init --data DIR --officer NAME=file:… --officer NAME=file:…'],
  ['key.cmdRotateData', 'heng keys rotate-data --data DIR --store journal'],
  ['key.cmdRotateMaster', 'heng keys rotate-master --data DIR --retire --officer … --officer …'],
  ['key.cmdAlgorithm', 'heng keys set-algorithm SM4-GCM --data DIR --officer … --officer …'],
  ['key.cmdDestroy', 'heng keys destroy --data DIR --scope STORE:TENANT:PERIOD --officer … --officer …'],
  ['key.cmdOfficers', 'heng keys officers --data DIR --add NAME=file:… --officer … --officer …'],
  ['key.cmdLog', 'heng keys log --data DIR --token URL'],
];

export default function Keys(): ReactNode {
  const { t } = usePrefs();
  const found = useLoad(ring, 'ring', 10_000);
  const here = found.data;
  const absent = found.error instanceof ApiError && found.error.status === 404;
  return (
    <div className="page oversight two keyring">
      <h1 className="sr">{t('nav.keys')}</h1>
      <Panel title={t('key.ring')} className="across ring">
        {!absent && <Problem error={found.error} onRetry={found.reload} />}
        {absent ? (
          <Empty>{t('key.absent')}</Empty>
        ) : here && !here.configured ? (
          <div data-ring="none">
            <Empty>{t('key.none')}</Empty>
            <p className="prose">{t('key.noneHint')}</p>
          </div>
        ) : here ? (
          <About ring={here} />
        ) : (
          found.error === undefined && <Empty>{t('app.loading')}</Empty>
        )}
      </Panel>
      {here?.configured && <Lists ring={here} />}
      <Panel title={t('key.commands')} className="across commands">
        <p className="prose">{t('key.commandsHint')}</p>
        <div className="table-wrap" tabIndex={0} role="group" aria-label={t('key.commands')}>
          <table className="pairs" aria-label={t('key.commands')}>
            <tbody>
              {COMMANDS.map(([word, command]) => (
                <tr key={word}>
                  <th scope="row">{t(word)}</th>
                  <td>
                    <code>{command}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Panel>
    </div>
  );
}

function About({ ring: here }: { ring: Ring }): ReactNode {
  const { t } = usePrefs();
  const number = (value: number | undefined): string => (value === undefined ? NONE : String(value));
  return (
    <Facts
      rows={[
        [t('key.id'), <Hash key="i" of={here.ring} />],
        [t('key.master'), here.master ?? NONE],
        [t('key.masterVersion'), here.masterVersion ?? NONE],
        [t('key.algorithm'), here.algorithm ?? NONE],
        [t('key.generation'), here.generation ?? NONE],
        [t('keystate.current'), number(here.current)],
        [t('keystate.closed'), number(here.closed)],
        [t('keystate.destroyed'), number(here.destroyed)],
      ]}
    />
  );
}

function Lists({ ring: here }: { ring: Ring }): ReactNode {
  const { t, name } = usePrefs();
  return (
    <>
      <Panel title={t('key.officers')} className="officers">
        {here.officers.length < 3 && <p className="prose warn">{t('key.fewOfficers')}</p>}
        <Table
          label={t('key.officers')}
          rows={here.officers}
          id={(o) => o.name}
          columns={[
            { key: 'n', head: t('sec.name'), cell: (o) => o.name },
            { key: 'a', head: t('key.since'), width: 11, cell: (o) => at(o.added) },
          ]}
        />
      </Panel>
      <Panel title={t('key.operations')} className="operations">
        {here.trouble && (
          <p className="prose bad" role="alert" lang="en">
            {here.trouble}
          </p>
        )}
        <Table
          label={t('key.operations')}
          rows={here.operations}
          id={(o) => o.number}
          columns={[
            { key: 'n', head: t('acc.number'), width: 5, cell: (o) => o.number },
            { key: 't', head: t('common.time'), width: 10, cell: (o) => at(o.at) },
            {
              key: 'o',
              head: t('key.operation'),
              cell: (o) => <span title={o.detail}>{`${o.operation} ${o.detail}`}</span>,
            },
            { key: 'w', head: t('key.by'), spare: true, cell: (o) => o.officers.join(', ') || NONE },
            {
              key: 's',
              head: t('aud.outcome'),
              width: 6.5,
              cell: (o) => <Dot tone={o.outcome === 'done' ? 'good' : 'warn'}>{name('outcome', o.outcome)}</Dot>,
            },
          ]}
        />
      </Panel>
      <Panel title={`${t('key.keys')} · ${here.keys.length}`} className="across ring-keys">
        <Table
          label={t('key.keys')}
          rows={here.keys}
          id={(k) => k.id}
          columns={[
            { key: 'n', head: t('acc.number'), width: 5, cell: (k) => k.id },
            { key: 's', head: t('key.store'), cell: (k) => k.store },
            { key: 't', head: t('key.tenant'), width: 8, spare: true, cell: (k) => k.tenant },
            { key: 'p', head: t('key.period'), width: 6, cell: (k) => k.period },
            { key: 'a', head: t('key.algorithm'), width: 8, spare: true, cell: (k) => k.algorithm },
            { key: 'm', head: t('sec.made'), width: 10, spare: true, cell: (k) => at(k.made) },
            {
              key: 'z',
              head: t('sec.state'),
              width: 7,
              cell: (k) => (
                <Dot tone={STATE_TONE[k.state as keyof typeof STATE_TONE] ?? 'idle'}>{name('keystate', k.state)}</Dot>
              ),
            },
          ]}
        />
      </Panel>
    </>
  );
}
