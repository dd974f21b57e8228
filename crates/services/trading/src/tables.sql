-- Everything here follows from the event log; a change of this text asks for a higher version in store.rs.
-- Amounts are integers in 1/10,000 of the currency unit, quantities in the instrument's smallest unit, times in
-- nanoseconds since 1970. Codes are those of the model's enumerations.

CREATE TABLE orders (
    order_id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    changed_sequence BIGINT NOT NULL,
    placed_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    account BIGINT NOT NULL,
    client_order TEXT NOT NULL,
    trade_date BIGINT NOT NULL,
    instrument BIGINT NOT NULL,
    side BIGINT NOT NULL,
    order_type BIGINT NOT NULL,
    self_trade BIGINT NOT NULL,
    price BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    filled BIGINT NOT NULL,
    value BIGINT NOT NULL,
    fees BIGINT NOT NULL,
    status BIGINT NOT NULL,
    rests BOOLEAN NOT NULL,
    code BIGINT NOT NULL,
    rule BIGINT NOT NULL,
    reason BIGINT NOT NULL,
    parent BIGINT NOT NULL,
    hold_cash BIGINT NOT NULL,
    hold_quantity BIGINT NOT NULL,
    hold_currency BIGINT NOT NULL,
    connect BOOLEAN NOT NULL
);
-- A key names one order (design rule 9).
CREATE UNIQUE INDEX orders_by_key ON orders (account, trade_date, client_order);
CREATE INDEX orders_by_account ON orders (account, order_id);
-- Holds are sums over live orders; status 5 is the last live one.
CREATE INDEX orders_live ON orders (account, instrument) WHERE status <= 5;

CREATE INDEX orders_by_parent ON orders (parent, order_id) WHERE parent <> 0;

CREATE TABLE parents (
    parent_id BIGINT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    changed_sequence BIGINT NOT NULL,
    placed_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    account BIGINT NOT NULL,
    client_order TEXT NOT NULL,
    trade_date BIGINT NOT NULL,
    instrument BIGINT NOT NULL,
    side BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    value_max BIGINT NOT NULL,
    status BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    event BIGINT NOT NULL,
    -- Orders placed for it, and what they filled.
    children BIGINT NOT NULL,
    filled BIGINT NOT NULL,
    value BIGINT NOT NULL
);
CREATE INDEX parents_by_account ON parents (account, parent_id);

CREATE TABLE fills (
    trade_id BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    filled_at BIGINT NOT NULL,
    account BIGINT NOT NULL,
    instrument BIGINT NOT NULL,
    side BIGINT NOT NULL,
    price BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    commission BIGINT NOT NULL,
    stamp BIGINT NOT NULL,
    transfer BIGINT NOT NULL,
    handling BIGINT NOT NULL,
    regulatory BIGINT NOT NULL,
    hk_levies BIGINT NOT NULL,
    rate BIGINT NOT NULL,
    cash BIGINT NOT NULL,
    PRIMARY KEY (order_id, trade_id)
) WITHOUT ROWID;

CREATE INDEX fills_by_account ON fills (account, order_id, trade_id);

-- Every event of an order, with its state before and after (0 = not there yet); `event` holds the bytes of the model.
CREATE TABLE order_events (
    order_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    number BIGINT NOT NULL,
    happened_at BIGINT NOT NULL,
    before BIGINT NOT NULL,
    after BIGINT NOT NULL,
    event BYTEA NOT NULL,
    PRIMARY KEY (order_id, sequence, number)
) WITHOUT ROWID;

CREATE TABLE cash (
    account BIGINT NOT NULL,
    currency BIGINT NOT NULL,
    balance BIGINT NOT NULL,
    -- Proceeds that are due in one, two, three trading days, less what later buys used; Stock Connect apart.
    due_1 BIGINT NOT NULL,
    due_2 BIGINT NOT NULL,
    due_3 BIGINT NOT NULL,
    hk_due_1 BIGINT NOT NULL,
    hk_due_2 BIGINT NOT NULL,
    PRIMARY KEY (account, currency)
) WITHOUT ROWID;

CREATE TABLE holdings (
    account BIGINT NOT NULL,
    instrument BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    unsellable BIGINT NOT NULL,
    PRIMARY KEY (account, instrument)
) WITHOUT ROWID;

CREATE TABLE accounts (
    account BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    status BIGINT NOT NULL,
    rights BIGINT NOT NULL,
    commission BIGINT NOT NULL,
    orders_per_second BIGINT NOT NULL,
    order_value_max BIGINT NOT NULL,
    credit_line BIGINT NOT NULL,
    stopped BOOLEAN NOT NULL
);

CREATE TABLE instruments (
    instrument BIGINT NOT NULL PRIMARY KEY,
    symbol TEXT NOT NULL,
    board BIGINT NOT NULL,
    class BIGINT NOT NULL,
    board_lot BIGINT NOT NULL,
    reference_date BIGINT NOT NULL,
    prev_close BIGINT NOT NULL,
    limit_up BIGINT NOT NULL,
    limit_down BIGINT NOT NULL,
    tick BIGINT NOT NULL,
    currency BIGINT NOT NULL,
    settlement_days BIGINT NOT NULL,
    same_day_sale BOOLEAN NOT NULL,
    risk_warning BOOLEAN NOT NULL,
    suspended BOOLEAN NOT NULL,
    halted BOOLEAN NOT NULL,
    stopped BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX instruments_by_symbol ON instruments (symbol);

CREATE TABLE phases (
    board BIGINT NOT NULL,
    class BIGINT NOT NULL,
    phase BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (board, class)
) WITHOUT ROWID;

-- One row.
CREATE TABLE market (
    number BIGINT NOT NULL PRIMARY KEY CHECK (number = 1),
    trade_date BIGINT NOT NULL,
    day_open BOOLEAN NOT NULL,
    stopped BOOLEAN NOT NULL,
    -- Orders, parents and fills of earlier trade dates are removed.
    kept_from BIGINT NOT NULL
);
INSERT INTO market VALUES (1, 0, FALSE, FALSE, 0);

-- One row for each trade date, kept when its orders are removed.
CREATE TABLE days (
    trade_date BIGINT NOT NULL PRIMARY KEY,
    opened_sequence BIGINT NOT NULL,
    closed BOOLEAN NOT NULL,
    -- Orders that got an id (refused ones too), fills (two a trade where both sides are ours), trades.
    orders BIGINT NOT NULL,
    fills BIGINT NOT NULL,
    trades BIGINT NOT NULL
);
