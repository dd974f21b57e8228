//! Indicators, by the formulas of Chinese terminals. They are statistics: they use floating point and never flow back
//! into an amount.
//!
//! | name | formula | parameters (usual) |
//! |---|---|---|
//! | MA | mean of the last n closes | n (5, 10, 20, 60) |
//! | EMA | y = (2·x + (n−1)·y′) / (n+1), first y = first x | n (12, 26) |
//! | MACD | DIF = EMA(short) − EMA(long), DEA = EMA(DIF, signal), MACD = 2·(DIF − DEA) | 12, 26, 9 |
//! | RSI | 100 · SMA(max(Δ,0), n, 1) / SMA(abs Δ, n, 1) | n (6, 12, 24) |
//! | KDJ | RSV = 100·(C − lowest n) / (highest n − lowest n), K = SMA(RSV, k, 1), D = SMA(K, d, 1), J = 3K − 2D | 9, 3, 3 |
//! | BOLL | middle = MA(n), band = middle ± p · standard deviation of the population | n, p (20, 2) |
//! | ATR | MA of the true range max(H−L, abs(C′−H), abs(C′−L)) | n (14) |
//! | VWAP | turnover so far of the day / volume so far of the day | – |
//!
//! SMA(x, n, m): y = (m·x + (n−m)·y′) / n, first y = first x. Where a window is not full there is no value.

/// What indicators are computed from: one row for each candle, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Quantity.
    pub volume: f64,
    /// Value.
    pub turnover: f64,
    /// A number that rows of one day share.
    pub day: u32,
}

/// A named line; a row without a value has none.
pub type Line = (String, Vec<Option<f64>>);

/// The indicators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Indicator {
    /// Moving average.
    Ma,
    /// Exponential moving average.
    Ema,
    /// Convergence and divergence of two exponential averages.
    Macd,
    /// Relative strength.
    Rsi,
    /// Stochastic oscillator.
    Kdj,
    /// Bollinger bands.
    Boll,
    /// Average true range.
    Atr,
    /// Average price of the day, weighted by volume.
    Vwap,
}

/// Longest window.
pub const WINDOW_MAX: u32 = 500;
/// Most windows of one question.
pub const WINDOWS_MAX: usize = 6;

impl Indicator {
    /// The usual parameters.
    #[must_use]
    pub const fn usual(self) -> &'static [u32] {
        match self {
            Self::Ma => &[5, 10, 20, 60],
            Self::Ema | Self::Macd => {
                if matches!(self, Self::Ema) {
                    &[12, 26]
                } else {
                    &[12, 26, 9]
                }
            }
            Self::Rsi => &[6, 12, 24],
            Self::Kdj => &[9, 3, 3],
            Self::Boll => &[20, 2],
            Self::Atr => &[14],
            Self::Vwap => &[],
        }
    }

    /// Whether the parameters fit: their number, and each from 1 to [`WINDOW_MAX`].
    #[must_use]
    pub fn takes(self, parameters: &[u32]) -> bool {
        let count = match self {
            Self::Ma | Self::Ema | Self::Rsi | Self::Atr => (1..=WINDOWS_MAX).contains(&parameters.len()),
            Self::Macd | Self::Kdj => parameters.len() == 3,
            Self::Boll => parameters.len() == 2,
            Self::Vwap => parameters.is_empty(),
        };
        count && parameters.iter().all(|parameter| (1..=WINDOW_MAX).contains(parameter))
    }

    /// How many rows before the first that is wanted are needed, so that recursive lines have settled.
    #[must_use]
    pub fn warm_up(self, parameters: &[u32]) -> usize {
        let longest = parameters.iter().copied().max().unwrap_or(1) as usize;
        match self {
            Self::Ma | Self::Boll | Self::Atr => longest + 1,
            Self::Ema | Self::Macd | Self::Rsi | Self::Kdj => longest * 8,
            Self::Vwap => 0,
        }
    }

    /// Computes the lines.
    #[must_use]
    pub fn compute(self, rows: &[Row], parameters: &[u32]) -> Vec<Line> {
        let closes: Vec<f64> = rows.iter().map(|row| row.close).collect();
        let each = |name: &str, line: &dyn Fn(u32) -> Vec<Option<f64>>| {
            parameters.iter().map(|n| (format!("{name}{n}"), line(*n))).collect()
        };
        match self {
            Self::Ma => each("ma", &|n| mean(&closes, n)),
            Self::Ema => each("ema", &|n| some(&ema(&closes, n))),
            Self::Rsi => each("rsi", &|n| rsi(&closes, n)),
            Self::Atr => each("atr", &|n| mean_from(&true_range(rows), n, 1)),
            Self::Macd => macd(&closes, parameters),
            Self::Kdj => kdj(rows, parameters),
            Self::Boll => boll(&closes, parameters),
            Self::Vwap => vec![("vwap".into(), vwap(rows))],
        }
    }
}

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|value| Some(*value)).collect()
}

/// Mean of the last `n`, where there are as many.
fn mean(values: &[f64], n: u32) -> Vec<Option<f64>> {
    mean_from(values, n, 0)
}

/// The same where the first `skip` values are none.
fn mean_from(values: &[f64], n: u32, skip: usize) -> Vec<Option<f64>> {
    let n = n as usize;
    let at = |end: usize| {
        let window = values.get((end + 1).checked_sub(n)?..=end)?;
        (end + 1 - n >= skip).then(|| window.iter().sum::<f64>() / n as f64)
    };
    (0..values.len()).map(at).collect()
}

/// y = (m·x + (n−m)·y′) / n, beginning with the first x.
fn smooth(values: impl Iterator<Item = f64>, n: f64, m: f64) -> Vec<f64> {
    let mut before: Option<f64> = None;
    values
        .map(|value| {
            let next = before.map_or(value, |before| (m * value + (n - m) * before) / n);
            before = Some(next);
            next
        })
        .collect()
}

fn ema(values: &[f64], n: u32) -> Vec<f64> {
    smooth(values.iter().copied(), f64::from(n) + 1.0, 2.0)
}

fn rsi(closes: &[f64], n: u32) -> Vec<Option<f64>> {
    let moves: Vec<f64> = closes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let up = smooth(moves.iter().map(|change| change.max(0.0)), f64::from(n), 1.0);
    let all = smooth(moves.iter().map(|change| change.abs()), f64::from(n), 1.0);
    let strength = up.iter().zip(&all).map(|(up, all)| (*all > 0.0).then(|| up / all * 100.0));
    let first = (!closes.is_empty()).then_some(None);
    first.into_iter().chain(strength).collect()
}

fn true_range(rows: &[Row]) -> Vec<f64> {
    let mut before: Option<f64> = None;
    rows.iter()
        .map(|row| {
            let close = before.replace(row.close).unwrap_or(row.close);
            (row.high - row.low).max((close - row.high).abs()).max((close - row.low).abs())
        })
        .collect()
}

fn macd(closes: &[f64], parameters: &[u32]) -> Vec<Line> {
    let [short, long, signal] = parameters else { return Vec::new() };
    let dif: Vec<f64> = ema(closes, *short).iter().zip(ema(closes, *long)).map(|(short, long)| short - long).collect();
    let dea = ema(&dif, *signal);
    let bars = dif.iter().zip(&dea).map(|(dif, dea)| Some(2.0 * (dif - dea))).collect();
    vec![("dif".into(), some(&dif)), ("dea".into(), some(&dea)), ("macd".into(), bars)]
}

fn kdj(rows: &[Row], parameters: &[u32]) -> Vec<Line> {
    let [n, k, d] = parameters else { return Vec::new() };
    let n = *n as usize;
    let raw = |end: usize| {
        let window = &rows[end + 1 - n..=end];
        let low = window.iter().fold(f64::INFINITY, |low, row| low.min(row.low));
        let high = window.iter().fold(f64::NEG_INFINITY, |high, row| high.max(row.high));
        // Without any movement the close is in the middle.
        if high > low { (rows[end].close - low) / (high - low) * 100.0 } else { 50.0 }
    };
    let first = n.saturating_sub(1).min(rows.len());
    let k = smooth((first..rows.len()).map(raw), f64::from(*k), 1.0);
    let d = smooth(k.iter().copied(), f64::from(*d), 1.0);
    let j: Vec<f64> = k.iter().zip(&d).map(|(k, d)| 3.0 * k - 2.0 * d).collect();
    let padded = |line: &[f64]| std::iter::repeat_n(None, first).chain(some(line)).collect();
    vec![("k".into(), padded(&k)), ("d".into(), padded(&d)), ("j".into(), padded(&j))]
}

fn boll(closes: &[f64], parameters: &[u32]) -> Vec<Line> {
    let [n, width] = parameters else { return Vec::new() };
    let (middle, width) = (mean(closes, *n), f64::from(*width));
    let deviation = |(end, middle): (usize, &Option<f64>)| {
        let middle = (*middle)?;
        let window = &closes[end + 1 - *n as usize..=end];
        let squares: f64 = window.iter().map(|close| (close - middle).powi(2)).sum();
        Some((squares / f64::from(*n)).sqrt())
    };
    let deviation: Vec<Option<f64>> = middle.iter().enumerate().map(deviation).collect();
    let band =
        |sign: f64| middle.iter().zip(&deviation).map(|(middle, d)| Some((*middle)? + sign * width * (*d)?)).collect();
    vec![("middle".into(), middle.clone()), ("upper".into(), band(1.0)), ("lower".into(), band(-1.0))]
}

fn vwap(rows: &[Row]) -> Vec<Option<f64>> {
    let (mut day, mut volume, mut turnover) = (0, 0.0, 0.0);
    rows.iter()
        .map(|row| {
            if row.day != day {
                (day, volume, turnover) = (row.day, 0.0, 0.0);
            }
            volume += row.volume;
            turnover += row.turnover;
            (volume > 0.0).then(|| turnover / volume)
        })
        .collect()
}
