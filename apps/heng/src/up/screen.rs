//! The terminal dashboard.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use heng_model::Price;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, Wrap};
use tokio::sync::watch;

use super::begin::time_text;
use super::pulse::{Pulse, PulseTaker};
use super::words::Lang;

/// How often the numbers are taken.
const EVERY: Duration = Duration::from_millis(500);
/// How long a key is waited for.
const KEY: Duration = Duration::from_millis(50);

/// What stands on the screen beside the numbers.
pub(super) struct Face {
    pub(super) lang: Lang,
    pub(super) address: String,
    /// Lines to paste.
    pub(super) try_it: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Draws until q, Ctrl-C or `stop`.
///
/// # Errors
/// If the terminal cannot be used or the core has stopped.
pub(super) fn show(face: &Face, mut taker: PulseTaker, stop: &watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init().context("take the terminal")?;
    let result = (|| {
        let mut drawn: Option<Instant> = None;
        loop {
            if drawn.is_none_or(|at| at.elapsed() >= EVERY) {
                let pulse = taker.take()?;
                terminal.draw(|frame| draw(frame, face, &pulse)).context("draw")?;
                drawn = Some(Instant::now());
            }
            if *stop.borrow() || (event::poll(KEY)? && is_end(&event::read()?)) {
                return Ok(());
            }
        }
    })();
    ratatui::restore();
    result
}

fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
}

fn draw(frame: &mut Frame<'_>, face: &Face, pulse: &Pulse) {
    let rows =
        Layout::vertical([Constraint::Length(1), Constraint::Length(7), Constraint::Min(6), Constraint::Length(6)]);
    let [title, numbers, tables, foot] = rows.areas(frame.area());
    let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(numbers);
    let [books, trades] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(tables);
    frame.render_widget(head(face, pulse), title);
    frame.render_widget(flow(face, pulse), left);
    frame.render_widget(ledger(face, pulse), right);
    frame.render_widget(book_table(face, pulse), books);
    frame.render_widget(trade_table(face, pulse), trades);
    frame.render_widget(footer(face), foot);
}

fn head<'a>(face: &'a Face, pulse: &Pulse) -> Line<'a> {
    let words = face.lang.words();
    Line::from(vec![
        Span::from(" Heng 衡 ").bold().on_blue(),
        Span::from(format!("  {}  ", face.address)).bold(),
        Span::from(format!("{} {} ({})", words.market, time_text(pulse.time), pulse.date)),
        Span::from(format!("   {}", words.quit)).dim(),
    ])
}

fn flow<'a>(face: &Face, pulse: &Pulse) -> Paragraph<'a> {
    let words = face.lang.words();
    let durable = pulse.durable;
    Paragraph::new(vec![
        Line::from(vec![Span::from(format!("{:>9.0} ", pulse.orders_per_s)).bold(), Span::from(words.orders_per_s)]),
        Line::from(format!("{:>9} {}", pulse.orders, words.orders)),
        Line::from(format!("{:>9} {}", pulse.trades, words.trades)),
        Line::from(format!("{:>9} {}", pulse.resting, words.resting)),
        Line::from(format!("{:.0} / {:.0} / {:.0}  {}", durable.p50, durable.p99, durable.p999, words.durable)),
    ])
    .block(Block::bordered().title(words.flow))
}

fn ledger<'a>(face: &Face, pulse: &Pulse) -> Paragraph<'a> {
    let words = face.lang.words();
    let balance = |name: &'static str, off: u64| {
        let text = if off == 0 { words.balanced.to_owned() } else { format!("{} {off}", words.off) };
        let color = if off == 0 { Color::Green } else { Color::Red };
        Line::from(vec![Span::from(format!("{name:<12}")), Span::styled(text, Style::new().fg(color).bold())])
    };
    let view = match &pulse.view_parked {
        Some(parked) => Span::from(format!("{} {}: {}", words.parked, parked.event, parked.reason)).red().bold(),
        None => Span::from(format!("{:.2} {}", pulse.view_lag.as_secs_f64(), words.behind)),
    };
    Paragraph::new(vec![
        balance(words.cash, pulse.cash_imbalance),
        balance(words.securities, pulse.securities_imbalance),
        Line::from(format!("{} {}", words.command, pulse.sequence)),
        Line::from(vec![Span::from(format!("{} {}  ", words.view, pulse.view_at)), view]),
    ])
    .wrap(Wrap { trim: true })
    .block(Block::bordered().title(words.ledger))
}

fn book_table<'a>(face: &Face, pulse: &Pulse) -> Table<'a> {
    let words = face.lang.words();
    let price = |price: Option<Price>| price.map_or_else(|| "–".to_owned(), |price| price.to_string());
    let rows: Vec<Row<'_>> = pulse
        .books
        .iter()
        .map(|book| {
            let quantity =
                |side: Option<(Price, i64)>| side.map_or_else(String::new, |(_, quantity)| quantity.to_string());
            Row::new(vec![
                Cell::from(book.symbol.clone()),
                Cell::from(book.phase.map_or("–", |phase| face.lang.phase(phase))),
                Cell::from(quantity(book.bid)),
                Cell::from(price(book.bid.map(|(price, _)| price)).red()),
                Cell::from(price(book.ask.map(|(price, _)| price)).green()),
                Cell::from(quantity(book.ask)),
                Cell::from(price(book.last).bold()),
            ])
        })
        .collect();
    let widths = [10, 14, 8, 9, 9, 8, 9].map(Constraint::Length);
    let heads = Row::new(words.book_heads).dim();
    Table::new(rows, widths).header(heads).block(Block::bordered().title(words.books))
}

fn trade_table<'a>(face: &Face, pulse: &Pulse) -> Table<'a> {
    let words = face.lang.words();
    let rows: Vec<Row<'_>> = pulse
        .last_trades
        .iter()
        .map(|trade| {
            let time = time_text(trade.time).split_off(11);
            let mark = if trade.auction { words.auction } else { "" };
            Row::new(vec![time, trade.symbol.clone(), trade.price.to_string(), format!("{} {mark}", trade.quantity)])
        })
        .collect();
    let widths = [Constraint::Length(9), Constraint::Length(10), Constraint::Length(10), Constraint::Min(8)];
    let heads = Row::new(words.trade_heads).dim();
    Table::new(rows, widths).header(heads).block(Block::bordered().title(words.last_trades))
}

fn footer(face: &Face) -> Paragraph<'_> {
    let mut lines: Vec<Line<'_>> = face.try_it.iter().map(|line| Line::from(line.as_str())).collect();
    lines.extend(face.notes.iter().map(|note| Line::from(note.as_str()).dim()));
    // No frame at the sides: what is pasted must not carry one.
    Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title(face.lang.words().try_it))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use heng_model::{Phase, Price, Qty, SECOND, UnixNanos};
    use heng_runtime::LatencySummary;
    use heng_trading::{Parked, RecentTrade};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::pulse::BookHead;
    use super::*;

    fn drawn(lang: Lang, parked: Option<Parked>) -> String {
        let date = "2026-07-06".parse().expect("a date");
        let time = UnixNanos::at(date, 34_201 * SECOND);
        let pulse = Pulse {
            time,
            date,
            orders: 1_234,
            orders_per_s: 200.0,
            trades: 77,
            resting: 9,
            durable: LatencySummary { p50: 900.0, p99: 2_000.0, p999: 3_000.0, count: 1, mean: 0.0 },
            sequence: 4_321,
            cash_imbalance: 0,
            securities_imbalance: 3,
            books: vec![BookHead {
                symbol: "600000.SH".into(),
                phase: Some(Phase::Continuous),
                bid: Some((Price(100_000), 500)),
                ask: None,
                last: Some(Price(100_100)),
            }],
            view_at: 4_320,
            view_lag: Duration::from_millis(20),
            view_parked: parked,
            last_trades: vec![RecentTrade {
                time,
                symbol: "000010.SZ".into(),
                price: Price(51_000),
                quantity: Qty(300),
                auction: true,
            }],
        };
        let face = Face {
            lang,
            address: "http://127.0.0.1:1".into(),
            try_it: vec!["curl …".into()],
            notes: vec!["a note".into()],
        };
        let mut terminal = Terminal::new(TestBackend::new(150, 30)).expect("a terminal of our own");
        terminal.draw(|frame| draw(frame, &face, &pulse)).expect("it draws");
        let buffer = terminal.backend().buffer();
        buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn everything_that_was_asked_for_stands_on_the_screen() {
        let text = drawn(Lang::En, None);
        for word in [
            "http://127.0.0.1:1",
            "09:30:01",
            "200",
            "900 / 2000 / 3000",
            "balanced (0)",
            "OFF BY 3",
            "600000.SH",
            "continuous",
            "10.00",
            "10.01",
            "000010.SZ",
            "300 auction",
            "0.02 s behind",
            "curl",
            "a note",
        ] {
            assert!(text.contains(word), "{word} is missing");
        }
    }

    #[test]
    fn a_parked_view_shouts_and_chinese_is_spoken() {
        let parked = Parked { at: heng_store::Position::START, event: "Trade".into(), reason: "no such order".into() };
        assert!(drawn(Lang::En, Some(parked)).contains("PARKED Trade: no such order"));
        let text = drawn(Lang::Zh, None).replace(' ', "");
        assert!(text.contains("最近成交") && text.contains("连续竞价"));
    }
}
