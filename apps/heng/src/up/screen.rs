//! The terminal dashboard.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use heng_model::Price;
use heng_runtime::LatencySummary;
use heng_trading::RecentTrade;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use tokio::sync::watch;

use super::begin::time_text;
use super::pulse::{BookHead, Pulse, PulseTaker};
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

/// Lines of the numbers: six and a frame.
const NUMBERS: u16 = 8;
/// Cells of the last trades with their frame: what is longest, an auction's trade, stands in full.
const TRADES: u16 = 42;
/// Rows of the notes, and of the view's trouble, at most.
const FOLDED_MAX: usize = 4;

fn draw(frame: &mut Frame<'_>, face: &Face, pulse: &Pulse) {
    let area = frame.area();
    let notes: Vec<String> = face.notes.iter().flat_map(|note| folded(note, area.width)).take(FOLDED_MAX).collect();
    let trouble = pulse.view_parked.as_ref().map(|parked| folded(&face.lang.parked(parked), area.width));
    let trouble: Vec<String> = trouble.into_iter().flatten().take(FOLDED_MAX).collect();
    let foot = 1 + face.try_it.len() + notes.len();
    let length = |rows: usize| Constraint::Length(u16::try_from(rows).unwrap_or(u16::MAX));
    let rows = [length(1), Constraint::Length(NUMBERS), length(trouble.len()), Constraint::Min(6), length(foot)];
    let [title, numbers, shout, tables, foot] = Layout::vertical(rows).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(numbers);
    let [books, trades] = Layout::horizontal([Constraint::Min(0), Constraint::Length(TRADES)]).areas(tables);
    frame.render_widget(head(face, pulse), title);
    frame.render_widget(flow(face, pulse), left);
    frame.render_widget(ledger(face, pulse), right);
    frame.render_widget(Paragraph::new(trouble.join("\n")).red(), shout);
    frame.render_widget(book_table(face, pulse, books.width), books);
    frame.render_widget(trade_table(face, pulse), trades);
    frame.render_widget(footer(face, &notes), foot);
}

fn head<'a>(face: &'a Face, pulse: &Pulse) -> Line<'a> {
    let words = face.lang.words();
    let same = pulse.time.date() == Some(pulse.date);
    let date = if same { String::new() } else { format!(" ({})", pulse.date) };
    Line::from(vec![
        Span::from(" Heng 衡 ").bold().on_blue(),
        Span::from(format!("  {}  ", face.address)).bold(),
        Span::from(format!("{} {}{date}", words.market, time_text(pulse.time))),
        Span::from(format!("   {}", words.quit)).dim(),
    ])
}

/// Text with blanks up to `cells` of the terminal; a Chinese character takes two.
fn padded(text: &str, cells: usize) -> String {
    format!("{text}{}", " ".repeat(cells.saturating_sub(Span::from(text).width())))
}

/// Microseconds in six characters at most.
fn micros(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..100_000.0 => format!("{value:.0}"),
        ..10_000_000.0 => format!("{:.0}ms", value / 1e3),
        _ => format!("{:.0}s", value / 1e6),
    }
}

fn flow<'a>(face: &Face, pulse: &Pulse) -> Paragraph<'a> {
    let words = face.lang.words();
    let latency = |name, of: LatencySummary| {
        let [p50, p99, p999] = [of.p50, of.p99, of.p999].map(micros);
        Line::from(format!("{}{p50:>7}{p99:>7}{p999:>7}", padded(name, 17)))
    };
    Paragraph::new(vec![
        Line::from(vec![
            Span::from(format!("{:>9.0} ", pulse.orders_per_s)).bold(),
            Span::from(padded(words.orders_per_s, 8)),
            Span::from(format!("{:>9} {}", pulse.resting, words.resting)),
        ]),
        Line::from(format!("{:>9} {}", pulse.orders, words.orders)),
        Line::from(format!("{:>9} {}", pulse.trades, words.trades)),
        Line::from(format!("{}{:>7}{:>7}{:>7}", padded(words.latency, 17), "p50", "p99", "p99.9")).dim(),
        latency(words.core, pulse.core),
        latency(words.durable, pulse.durable),
    ])
    .block(Block::bordered().title(words.flow))
}

fn ledger<'a>(face: &Face, pulse: &Pulse) -> Paragraph<'a> {
    let words = face.lang.words();
    let named = |name: &'static str| Span::from(padded(name, 12));
    let balance = |name: &'static str, off: u64| {
        let text = if off == 0 { words.balanced.to_owned() } else { format!("{} {off}", words.off) };
        let color = if off == 0 { Color::Green } else { Color::Red };
        Line::from(vec![named(name), Span::styled(text, Style::new().fg(color).bold())])
    };
    let state = match &pulse.view_parked {
        Some(_) => Span::from(words.parked).red().bold(),
        None => Span::from(format!("{:.2} {}", pulse.view_lag.as_secs_f64(), words.behind)),
    };
    Paragraph::new(vec![
        balance(words.cash, pulse.cash_imbalance),
        balance(words.securities, pulse.securities_imbalance),
        Line::from(vec![named(words.command), Span::from(pulse.sequence.to_string())]),
        Line::from(vec![named(words.view), Span::from(format!("{}  ", pulse.view_at)), state]),
    ])
    .block(Block::bordered().title(words.ledger))
}

/// A number stands at the right of its column.
fn number<'a>(text: String) -> Cell<'a> {
    Cell::from(Line::from(text).right_aligned())
}

/// The columns of the books that fit into `width`, and their sizes: the phase goes first, then the quantities.
fn book_columns(width: u16) -> (Vec<usize>, Vec<Constraint>) {
    const SIZES: [u16; 7] = [9, 14, 7, 8, 8, 7, 8];
    let sets: [&[usize]; 3] = [&[0, 1, 2, 3, 4, 5, 6], &[0, 2, 3, 4, 5, 6], &[0, 3, 4, 6]];
    let needs = |set: &[usize]| set.iter().map(|column| SIZES[*column] + 1).sum::<u16>() + 1;
    let set = sets.into_iter().find(|set| needs(set) <= width).unwrap_or(sets[2]);
    // What is left goes to the phase, whose names are long.
    let size = |column: &usize| match SIZES[*column] {
        cells if *column == 1 => Constraint::Min(cells),
        cells => Constraint::Length(cells),
    };
    (set.to_vec(), set.iter().map(size).collect())
}

fn book_table<'a>(face: &Face, pulse: &Pulse, width: u16) -> Table<'a> {
    let words = face.lang.words();
    let (columns, sizes) = book_columns(width);
    let price = |price: Option<Price>| price.map_or_else(|| "–".to_owned(), |price| price.to_string());
    let quantity = |side: Option<(Price, i64)>| side.map_or_else(String::new, |(_, quantity)| quantity.to_string());
    let cell = |book: &BookHead, column: usize| match column {
        0 => Cell::from(book.symbol.clone()),
        1 => Cell::from(book.phase.map_or("–", |phase| face.lang.phase(phase))),
        2 => number(quantity(book.bid)),
        3 => number(price(book.bid.map(|(price, _)| price))).red(),
        4 => number(price(book.ask.map(|(price, _)| price))).green(),
        5 => number(quantity(book.ask)),
        _ => number(price(book.last)).bold(),
    };
    let rows = pulse.books.iter().map(|book| Row::new(columns.iter().map(|column| cell(book, *column))));
    let rows: Vec<Row<'_>> = rows.collect();
    let heads = columns.iter().map(|column| match words.book_heads[*column] {
        head if *column < 2 => Cell::from(head),
        head => number(head.to_owned()),
    });
    let heads = Row::new(heads.collect::<Vec<_>>()).dim();
    Table::new(rows, sizes).header(heads).block(Block::bordered().title(words.books))
}

fn trade_table<'a>(face: &Face, pulse: &Pulse) -> Table<'a> {
    let words = face.lang.words();
    let row = |trade: &RecentTrade| {
        let time = time_text(trade.time).split_off(11);
        let mark = if trade.auction { words.auction } else { "" };
        let quantity = format!("{:>6} {mark}", trade.quantity.to_string());
        Row::new(vec![
            Cell::from(time),
            Cell::from(trade.symbol.clone()),
            number(trade.price.to_string()),
            Cell::from(quantity),
        ])
    };
    let widths = [8, 9, 8, 12].map(Constraint::Length);
    let [time, symbol, price, quantity] = words.trade_heads;
    let heads = [Cell::from(time), Cell::from(symbol), number(price.to_owned()), Cell::from(quantity)];
    let rows = pulse.last_trades.iter().map(row);
    Table::new(rows, widths).header(Row::new(heads).dim()).block(Block::bordered().title(words.last_trades))
}

/// Text in rows of `width` cells, broken at blanks where there are any. The terminal library breaks lines too, but lets
/// a wide character stand on the frame.
fn folded(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(2));
    let (mut rows, mut row, mut cells) = (Vec::new(), String::new(), 0);
    for character in text.chars() {
        let size = Span::from(character.to_string()).width();
        if cells + size > width {
            let rest = row.rfind(' ').map_or_else(String::new, |blank| row.split_off(blank + 1));
            rows.push(std::mem::replace(&mut row, rest));
            cells = Span::from(row.as_str()).width();
        }
        row.push(character);
        cells += size;
    }
    rows.push(row);
    rows
}

fn footer<'a>(face: &'a Face, notes: &[String]) -> Paragraph<'a> {
    let mut lines: Vec<Line<'_>> = face.try_it.iter().map(|line| Line::from(line.as_str())).collect();
    lines.extend(notes.iter().map(|note| Line::from(note.clone()).dim()));
    // No frame at the sides and no folding: what is pasted must carry neither.
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

    /// The screen, row by row; a wide character stands once, and fills two cells.
    fn drawn(lang: Lang, parked: Option<Parked>, (width, height): (u16, u16)) -> Vec<String> {
        let date = "2026-07-06".parse().expect("a date");
        let time = UnixNanos::at(date, 34_201 * SECOND);
        let pulse = Pulse {
            time,
            date,
            orders: 1_234,
            orders_per_s: 200.0,
            trades: 77,
            resting: 9,
            core: LatencySummary { p50: 0.413, p99: 1.25, p999: 40.6, count: 1, mean: 0.0 },
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
            try_it: vec!["curl -s http://127.0.0.1:65535/v1/orders -H content-type:application/json -d '".into()],
            notes: vec!["a note".into()],
        };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal of our own");
        terminal.draw(|frame| draw(frame, &face, &pulse)).expect("it draws");
        let cells = terminal.backend().buffer().content();
        let row = |row: &[ratatui::buffer::Cell]| {
            let mut text = String::new();
            let mut cells = row.iter();
            while let Some(cell) = cells.next() {
                text.push_str(cell.symbol());
                // The second cell of a wide character is a blank that no terminal shows.
                (1..Span::from(cell.symbol()).width()).for_each(|_| _ = cells.next());
            }
            text
        };
        cells.chunks(usize::from(width)).map(row).collect()
    }

    fn parked() -> Parked {
        Parked {
            at: heng_store::Position { sequence: 10, index: 2 },
            event: "OrderFilled".into(),
            reason: "no such order".into(),
            reason_zh: "没有这笔委托".into(),
            since: UnixNanos::at("2026-11-22".parse().expect("a date"), 50_000 * SECOND),
            attempts: 4,
        }
    }

    const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

    #[test]
    fn everything_that_was_asked_for_stands_on_the_screen() {
        for size in SIZES {
            let text = drawn(Lang::En, None, size).join("\n");
            for word in [
                "http://127.0.0.1:1",
                "2026-07-06 09:30:01   q quits",
                "200 orders/s        9 resting",
                "core per command    0.41   1.25   40.6",
                "durable answer       900   2000   3000",
                "balanced (0)",
                "OFF BY 3",
                "600000.SH",
                "10.00",
                "10.01",
                "09:30:01 000010.SZ     5.10    300 auct.",
                "0.02 s behind",
                "content-type:application/json -d '",
                "a note",
            ] {
                assert!(text.contains(word), "{word} is missing in {size:?}:\n{text}");
            }
            assert_eq!(text.contains("continuous"), size.0 > 80, "the phase goes where there is no room");
        }
    }

    #[test]
    fn a_parked_view_shouts_in_both_languages() {
        for size in SIZES {
            let whole = |lang| drawn(lang, Some(parked()), size).concat().replace(' ', "");
            let text = whole(Lang::En);
            for word in ["PARKED", "parkedsince2026-11-22T13:53:20", "10.2(OrderFilled)", "nosuchorder"] {
                assert!(text.contains(word), "{word} is missing in {size:?}");
            }
            let text = whole(Lang::Zh);
            for word in ["已停靠", "自2026-11-22T13:53:20", "已试4次", "没有这笔委托"] {
                assert!(text.contains(word), "{word} is missing in {size:?}: {text}");
            }
        }
    }

    #[test]
    fn chinese_is_spoken_and_frames_stand_straight() {
        for size in SIZES {
            let text = drawn(Lang::Zh, None, size).concat();
            for word in
                ["最近成交", "核心处理每条指令    0.41   1.25", "落盘后应答           900", "300 竞价", "平衡（0）"]
            {
                assert!(text.contains(word), "{word} is missing in {size:?}");
            }
            // Every row of the frames begins and ends with one, and each fills the whole width.
            for rows in [drawn(Lang::Zh, None, size), drawn(Lang::Zh, Some(parked()), size)] {
                for row in &rows[1..=usize::from(NUMBERS)] {
                    assert_eq!(Span::from(row.as_str()).width(), usize::from(size.0), "{row}");
                    assert!(row.starts_with(['│', '┌', '└']) && row.ends_with(['│', '┐', '┘']), "{row}");
                }
            }
        }
    }

    #[test]
    fn text_is_folded_at_blanks_and_by_cells() {
        let check = |text, width, expected: &[&str]| assert_eq!(folded(text, width), expected);
        check("", 10, &[""]);
        check("one two three", 8, &["one two ", "three"]);
        check("onetwothree", 4, &["onet", "woth", "ree"]);
        check("停在事件", 5, &["停在", "事件"]);
        check("a停在事件", 4, &["a停", "在事", "件"]);
    }

    #[test]
    fn latencies_take_six_characters_at_most() {
        let check = |value, expected: &str| assert_eq!(micros(value), expected);
        check(0.0, "0.00");
        check(9.994, "9.99");
        check(12.34, "12.3");
        check(99_999.0, "99999");
        check(300_000.0, "300ms");
        check(12_000_000.0, "12s");
    }
}
