// How the evidence log is doing: size, roots, checkpoint, lag, witnesses, keys, and how long the law keeps what.

import type { ReactNode } from 'react';

import { evidence, evidenceKeys, type EvidenceKey } from '../../evidence';
import { grouped, NONE } from '../../format';
import { useLoad } from '../../hooks';
import { at, Hash, save, Waiting } from '../../parts/oversight';
import { Dot, Facts, Panel, Problem, Table } from '../../parts/ui';
import { usePrefs } from '../../prefs';

/** Above this the log is later than it promises. */
const LAG_MS_MAX = 1_000;

export function LogState(): ReactNode {
  const { t, lang } = usePrefs();
  const found = useLoad(evidence, 'evidence', 2_000);
  const log = found.data;
  return (
    <div className="page two oversight" style={{ padding: 0 }}>
      <Panel
        title={t('evi.log')}
        className="across evi-log"
        tools={log && <Dot tone={log.well ? 'good' : 'bad'}>{t(log.well ? 'system.well' : 'system.unwell')}</Dot>}
      >
        <Problem error={found.error} onRetry={found.reload} />
        {log && !log.well && (
          <p className="prose bad" lang="en">
            {log.detail}
          </p>
        )}
        <Facts
          rows={[
            [t('evi.origin'), log?.origin ?? NONE],
            [
              t('evi.size'),
              <span key="s" data-size={log?.size}>
                {grouped(String(log?.size ?? ''))}
              </span>,
            ],
            [t('evi.sequence'), grouped(log?.sequence)],
            [
              t('evi.lag'),
              log?.lagMs === undefined ? (
                NONE
              ) : (
                <Dot key="l" tone={log.lagMs <= LAG_MS_MAX ? 'good' : 'warn'}>
                  {grouped(String(log.lagMs))} ms
                </Dot>
              ),
            ],
          ]}
        />
        <dl className="facts broad">
          <div>
            <dt>{t('evi.root')}</dt>
            <dd>
              <Hash of={log?.root} />
            </dd>
          </div>
          <div>
            <dt>{t('evi.sm3Root')}</dt>
            <dd>
              <Hash of={log?.sm3Root} />
            </dd>
          </div>
        </dl>
      </Panel>
      <Panel title={t('evi.witnesses')} className="witnesses">
        <Table
          label={t('evi.witnesses')}
          rows={log?.witnesses ?? []}
          id={(w) => w.name}
          empty={<Waiting of={found} then="evi.noWitness" />}
          columns={[
            {
              key: 'n',
              head: t('sec.name'),
              cell: (w) => (
                <span title={w.trouble ?? w.name}>
                  <Dot tone={w.trouble ? 'bad' : w.at ? 'good' : 'idle'}>{w.name}</Dot>
                </span>
              ),
            },
            { key: 's', head: t('evi.signedSize'), width: 7, figure: true, cell: (w) => grouped(String(w.size)) },
            { key: 't', head: t('common.time'), width: 10, spare: true, cell: (w) => at(w.at) },
            { key: 'x', head: t('evi.trouble'), cell: (w) => <span title={w.trouble}>{w.trouble ?? NONE}</span> },
          ]}
        />
      </Panel>
      <Panel
        title={t('evi.checkpoint')}
        className="checkpoint"
        tools={
          log && (
            <button
              type="button"
              onClick={() => save(new Blob([log.checkpoint], { type: 'text/plain' }), `checkpoint-${log.size}.txt`)}
            >
              {t('evi.download')}
            </button>
          )
        }
      >
        <pre className="text" tabIndex={0} aria-label={t('evi.checkpoint')}>
          {log?.checkpoint}
        </pre>
      </Panel>
      <LogKeys />
      <Panel title={t('evi.retention')} className="across retention roomy long">
        <Table
          label={t('evi.retention')}
          rows={log?.retention ?? []}
          id={(r) => `${r.class} ${r.from}`}
          empty={<Waiting of={found} />}
          columns={[
            { key: 'c', head: t('evi.class'), width: 11, cell: (r) => r.class },
            { key: 'w', head: t('evi.holds'), cell: (r) => <span title={r[lang]}>{r[lang]}</span> },
            { key: 'y', head: t('evi.years'), width: 5, figure: true, cell: (r) => r.years },
            { key: 'f', head: t('evi.madeFrom'), width: 7, cell: (r) => r.from },
            { key: 't', head: t('evi.madeTo'), width: 7, cell: (r) => r.to ?? NONE },
            { key: 's', head: t('evi.source'), cell: (r) => <span title={r.source}>{r.source}</span> },
          ]}
        />
      </Panel>
    </div>
  );
}

function LogKeys(): ReactNode {
  const { t } = usePrefs();
  const found = useLoad(evidenceKeys, 'evidence-keys');
  const of = (
    role: 'evi.signs' | 'evi.signed' | 'evi.witness',
    keys: EvidenceKey[],
  ): (EvidenceKey & { role: string })[] => keys.map((key) => ({ ...key, role: t(role) }));
  const rows = found.data
    ? [
        ...of('evi.signs', found.data.keys),
        ...of('evi.witness', found.data.witnesses),
        ...of('evi.signed', found.data.retired),
      ]
    : [];
  return (
    <Panel title={t('evi.keys')} className="across evi-keys roomy long">
      <Problem error={found.error} onRetry={found.reload} />
      <Table
        label={t('evi.keys')}
        rows={rows}
        id={(k) => k.verifier}
        empty={<Waiting of={found} />}
        columns={[
          { key: 'r', head: t('evi.role'), width: 8, cell: (k) => k.role },
          { key: 'a', head: t('key.algorithm'), width: 9, cell: (k) => k.algorithm },
          { key: 'v', head: t('evi.verifier'), cell: (k) => <Hash of={k.verifier} /> },
          { key: 'm', head: t('sec.made'), width: 10, cell: (k) => at(k.created) },
          { key: 'e', head: t('evi.retiredAt'), width: 10, cell: (k) => at(k.retired) },
        ]}
      />
    </Panel>
  );
}
