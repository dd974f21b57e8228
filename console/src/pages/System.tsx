// Roles, health, versions, limits, lag and the log.

import { useEffect, useRef, useState, type ReactNode } from 'react';

import { logs, system as askSystem, type LogLine } from '../api';
import { clock, fixed, grouped, moment, NONE } from '../format';
import { useLoad } from '../hooks';
import { Dot, Empty, Panel, Problem, Table } from '../parts/ui';
import { usePrefs } from '../prefs';

/** Lines that are kept. */
const LINES_MAX = 1_000;
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

function Pairs({ rows, label }: { rows: [string, string][]; label: string }): ReactNode {
  if (rows.length === 0) return <Empty />;
  return (
    <div className="table-wrap" tabIndex={0} role="group" aria-label={label}>
      <table className="pairs" aria-label={label}>
        <tbody>
          {rows.map(([key, value]) => (
            <tr key={key}>
              <th scope="row">{key}</th>
              <td className="fig">{/^\d{5,}$/.test(value) ? grouped(value) : value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** 93784 seconds as 1 d 02:03:04. */
function span(seconds: number): string {
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  return `${days > 0 ? `${days} d ` : ''}${two((seconds % 86_400) / 3_600)}:${two((seconds % 3_600) / 60)}:${two(seconds % 60)}`;
}

export default function System(): ReactNode {
  const { t, name, lang } = usePrefs();
  const system = useLoad(askSystem, 'system', 1_000);
  const now = system.data;
  const about: [string, string][] = now
    ? [
        ...now.versions.map(([key, value]): [string, string] => [key === 'heng' ? t('system.version') : key, value]),
        [t('system.started'), moment(now.startedAt)],
        [t('system.uptime'), now.uptimeS === undefined ? NONE : span(now.uptimeS)],
        [t('system.marketTime'), moment(now.marketTime)],
        [t('system.lag'), now.lagMs === undefined ? NONE : `${grouped(String(now.lagMs))} ms`],
        ...now.core.map(([key, value]): [string, string] => [
          `core.${key}`,
          /^\d+\.\d{4,}$/.test(value) ? fixed(Number(value), 1) : value,
        ]),
      ]
    : [];
  return (
    <div className="page system">
      <h1 className="sr">{t('nav.system')}</h1>
      <Panel title={t('system.roles')} className="sys-roles">
        {system.error !== undefined && <Problem error={system.error} onRetry={system.reload} />}
        <Table
          label={t('system.roles')}
          rows={now?.roles ?? []}
          id={(r) => r.name}
          columns={[
            { key: 'r', head: t('system.role'), width: 6.5, cell: (r) => name('role', r.name) },
            {
              key: 'h',
              head: t('system.where'),
              width: 8.4,
              cell: (r) => <Dot tone={r.here ? 'good' : 'idle'}>{t(r.here ? 'system.here' : 'system.elsewhere')}</Dot>,
            },
            {
              key: 'o',
              head: t('system.owns'),
              cell: (r) => (
                <span className="dim" title={r.owns} lang="en">
                  {r.owns}
                </span>
              ),
            },
          ]}
        />
      </Panel>
      <Panel
        title={t('system.parts')}
        className="sys-parts"
        tools={
          now && <Dot tone={now.healthy ? 'good' : 'bad'}>{t(now.healthy ? 'dash.healthy' : 'dash.unhealthy')}</Dot>
        }
      >
        <Table
          label={t('system.parts')}
          rows={now?.parts ?? []}
          id={(p) => p.name}
          columns={[
            { key: 'p', head: t('system.part'), width: 7, cell: (p) => p.name },
            {
              key: 's',
              head: t('system.state'),
              width: 5.5,
              cell: (p) => <Dot tone={p.well ? 'good' : 'bad'}>{t(p.well ? 'system.well' : 'system.unwell')}</Dot>,
            },
            {
              key: 'd',
              head: t('system.detail'),
              cell: (p) => (
                <span title={p.detail} lang={lang === 'zh' ? 'en' : undefined}>
                  {p.detail}
                </span>
              ),
            },
          ]}
        />
      </Panel>
      <Panel title={t('system.versions')} className="sys-versions">
        <Pairs rows={about} label={t('system.versions')} />
      </Panel>
      <Panel title={t('system.limits')} className="sys-limits">
        <Pairs rows={now?.limits ?? []} label={t('system.limits')} />
      </Panel>
      <Log />
    </div>
  );
}

function Log(): ReactNode {
  const { t } = usePrefs();
  const [lines, setLines] = useState<LogLine[]>([]);
  const [level, setLevel] = useState('');
  const [find, setFind] = useState('');
  const [follow, setFollow] = useState(true);
  const since = useRef(0);
  const box = useRef<HTMLDivElement>(null);
  const answer = useLoad((signal) => logs(since.current, signal), 'logs', 1_500);

  useEffect(() => {
    if (!answer.data) return;
    const before = since.current;
    // A server that has begun anew counts from one again.
    since.current = answer.data.next;
    const added = answer.data.lines.filter((line) => line.number > before);
    if (added.length > 0) setLines((old) => [...old, ...added].slice(-LINES_MAX));
  }, [answer.data]);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow, level, find]);

  const wanted = find.toLowerCase();
  const shown = lines.filter(
    (line) =>
      (level === '' || LEVELS.indexOf(line.level) <= LEVELS.indexOf(level)) &&
      (wanted === '' || `${line.target ?? ''} ${line.text}`.toLowerCase().includes(wanted)),
  );
  return (
    <Panel
      title={t('system.logs')}
      className="sys-logs"
      tools={
        <>
          <label className="inline">
            <span className="sr">{t('system.level')}</span>
            <select value={level} onChange={(e) => setLevel(e.target.value)}>
              <option value="">{t('system.allLevels')}</option>
              {LEVELS.slice(0, 4).map((l) => (
                <option key={l} value={l}>
                  ≥ {l}
                </option>
              ))}
            </select>
          </label>
          <input
            data-search
            type="search"
            value={find}
            onChange={(e) => setFind(e.target.value)}
            placeholder={t('system.logFilter')}
            aria-label={t('system.logFilter')}
          />
          <label className="inline check">
            <input type="checkbox" checked={follow} onChange={(e) => setFollow(e.target.checked)} />
            {t('system.follow')}
          </label>
        </>
      }
    >
      {answer.error !== undefined && lines.length === 0 && <Problem error={answer.error} onRetry={answer.reload} />}
      <div className="log" ref={box} role="log" aria-live="off" aria-label={t('system.logs')} tabIndex={0}>
        {shown.map((line, i) => (
          <div key={line.number || i} className={`log-line ${line.level}`}>
            <span className="dim">{clock(line.time, 3)}</span>
            <span className="level-name">{line.level}</span>
            <span className="dim target">{line.target ?? ''}</span>
            <span className="message">{line.text}</span>
          </div>
        ))}
        {shown.length === 0 && <Empty />}
      </div>
    </Panel>
  );
}
