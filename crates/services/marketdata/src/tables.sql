-- Everything here follows from the event log; a change of this text asks for a higher version in store.rs.
-- Prices and amounts are integers in 1/10,000 of the currency unit, quantities in the instrument's smallest unit, dates
-- yyyymmdd, times in nanoseconds since 1970. Codes are those of the model's enumerations.

CREATE TABLE market_instruments (
    instrument BIGINT NOT NULL PRIMARY KEY,
    place BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    board BIGINT NOT NULL,
    class BIGINT NOT NULL,
    prev_close BIGINT NOT NULL,
    limit_up BIGINT NOT NULL,
    limit_down BIGINT NOT NULL,
    suspended BIGINT NOT NULL
);

-- The trade date that is open, or was last, and the command that opened it: books are built again from there.
CREATE TABLE market_day (
    number BIGINT NOT NULL PRIMARY KEY,
    trade_date BIGINT NOT NULL,
    opened_sequence BIGINT NOT NULL
);

CREATE TABLE minute_bars (
    instrument BIGINT NOT NULL,
    trade_date BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    turnover BIGINT NOT NULL,
    trades BIGINT NOT NULL,
    large_bought BIGINT NOT NULL,
    large_sold BIGINT NOT NULL,
    medium_bought BIGINT NOT NULL,
    medium_sold BIGINT NOT NULL,
    small_bought BIGINT NOT NULL,
    small_sold BIGINT NOT NULL,
    PRIMARY KEY (instrument, trade_date, slot)
);

CREATE TABLE day_bars (
    instrument BIGINT NOT NULL,
    trade_date BIGINT NOT NULL,
    prev_close BIGINT NOT NULL,
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume BIGINT NOT NULL,
    turnover BIGINT NOT NULL,
    trades BIGINT NOT NULL,
    tail_low BIGINT NOT NULL,
    tail_high BIGINT NOT NULL,
    PRIMARY KEY (instrument, trade_date)
);

CREATE TABLE trades (
    instrument BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    event BIGINT NOT NULL,
    trade_date BIGINT NOT NULL,
    trade_id BIGINT NOT NULL,
    traded_at BIGINT NOT NULL,
    price BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    side BIGINT NOT NULL,
    PRIMARY KEY (instrument, sequence, event)
);
