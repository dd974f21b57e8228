//! The trading doors of the real binary, in both shapes: estimates, batches, keys, time lines and parents, across a kill.

use serde_json::{Value, json};

use crate::house::{Folder, House, Shape, in_both_shapes, keyed, until};

in_both_shapes!(
    estimates_batches_and_keys_say_what_happens,
    a_time_line_and_its_checks_survive_a_kill,
    parents_are_driven_stand_and_go_on_after_a_kill,
);

/// The core holds 16 bytes of a key, one of them a mark: 15 characters stay readable.
fn long_keys_are_told_as_hashes_and_found_as_they_were_sent(house: &House, low: &str) {
    let account = house.account();
    for (sent, told) in
        [("a-key-of-15-chr", "a-key-of-15-chr"), ("a-key-of-16-char", "#ff20477b65693a2ae113169bb8e9db3e")]
    {
        let (status, placed) = house.post("/v1/orders", &keyed(&house.first_order, sent, Some(low)));
        assert_eq!((status, placed["client_order_id"].as_str()), (201, Some(sent)), "{placed}");
        let (id, sequence) = (placed["order_id"].as_str().expect("an id"), &placed["sequence"]);
        let (_, shown) = house.get(&format!("/v1/orders/{id}?min_sequence={sequence}"));
        assert_eq!(shown["client_order_id"], told, "{shown}");
        let key = format!("account={account}&client_order_id={sent}");
        let (_, found) = house.get(&format!("/v1/orders/by-key?{key}&min_sequence={sequence}"));
        assert_eq!((found["order_id"].as_str(), found["client_order_id"].as_str()), (Some(id), Some(sent)), "{found}");
        let (_, listed) = house.get(&format!("/v1/orders?{key}&min_sequence={sequence}"));
        let orders: Vec<_> =
            listed["orders"].as_array().expect("a list").iter().map(|order| &order["order_id"]).collect();
        assert_eq!(orders, [id], "{listed}");
        let (status, again) = house.post("/v1/orders", &keyed(&house.first_order, sent, Some(low)));
        assert_eq!((status, again["order_id"].as_str()), (200, Some(id)), "{again}");
    }
    let hash = "account={account}&client_order_id=%23ff20477b65693a2ae113169bb8e9db3e"
        .replace("{account}", &account.to_string());
    assert_eq!(house.get(&format!("/v1/orders/by-key?{hash}")).0, 404, "the hash is no key");
}

/// What stands in the time line's checks under a name.
fn input<'a>(timeline: &'a Value, check: &str, name: &str) -> &'a str {
    let checks = timeline["placing"]["checks"].as_array().expect("checks").iter();
    let check = checks.clone().find(|found| found["check"] == check).unwrap_or_else(|| panic!("{check}: {timeline}"));
    let inputs = check["inputs"].as_array().expect("inputs").iter();
    inputs.clone().find(|input| input["name"] == name).expect("the input")["value"].as_str().expect("text")
}

fn estimates_batches_and_keys_say_what_happens(shape: Shape) {
    let folder = Folder::new("up-batches");
    let house = House::start(shape, &folder.0, 11);
    let (low, account) = (house.low(), house.account());
    let symbol = house.first_order["symbol"].clone();
    let path = format!("/v1/accounts/{account}/buying-power?symbol={}&price={low}", symbol.as_str().expect("text"));
    let (status, power) = house.get(&path);
    assert_eq!(status, 200, "{power}");
    let estimate = |quantity: &Value| {
        let ask = json!({ "account": account, "symbol": symbol, "side": "buy", "price": low, "quantity": quantity });
        let (status, told) = house.post("/v1/orders/estimate", &ask);
        assert_eq!(status, 200, "{told}");
        told
    };
    let most = estimate(&power["buy_max"]);
    assert_eq!((most["accepted"].as_bool(), &most["hold_cash"]), (Some(true), &power["buy_cash"]), "{most}");
    let odd = estimate(&json!("150"));
    assert_eq!((odd["accepted"].as_bool(), odd["reject"]["code_name"].as_str()), (Some(false), Some("LotSize")));
    let order = |key: &str, quantity: &str| {
        let mut order = keyed(&house.first_order, key, Some(&low));
        order["quantity"] = json!(quantity);
        order
    };
    let mut unknown = order("b-3", "100");
    unknown["symbol"] = json!("999999.SH");
    let orders = json!({ "orders": [order("b-1", "100"), order("b-2", "150"), unknown, order("b-1", "100"), order("b-1", "200")] });
    let (status, told) = house.post("/v1/orders/bulk", &orders);
    assert_eq!(status, 200, "{told}");
    let results: Vec<(&str, Option<&str>)> = told["results"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|result| (result["outcome"].as_str().expect("text"), result["reject"]["code_name"].as_str()))
        .collect();
    let refused = |code| ("refused", Some(code));
    let expected = [
        ("accepted", None),
        refused("LotSize"),
        refused("UnknownInstrument"),
        ("accepted", None),
        refused("KeyReused"),
    ];
    assert_eq!(results, expected, "{told}");
    let (status, again) = house.post("/v1/orders/bulk", &json!({ "orders": [order("b-1", "100")] }));
    assert_eq!((status, again["results"][0]["repeated"].as_bool()), (200, Some(true)), "{again}");
    assert_eq!(again["results"][0]["order_id"], told["results"][0]["order_id"]);
    let basket = json!({ "orders": [order("c-1", "100"), order("c-2", "150")] });
    let (status, told) = house.post("/v1/orders/basket", &basket);
    assert_eq!((status, told["code_name"].as_str()), (409, Some("LotSize")), "{told}");
    assert_eq!(told["results"][0]["reject"]["code_name"], "BasketRefused", "{told}");
    let basket = json!({ "orders": [order("d-1", "100"), order("d-2", "100")] });
    let (status, told) = house.post("/v1/orders/basket", &basket);
    assert_eq!((status, told["results"][1]["outcome"].as_str()), (200, Some("accepted")), "{told}");
    let by_key = |key: &str| house.get(&format!("/v1/orders/by-key?account={account}&client_order_id={key}"));
    assert_eq!(by_key("d-2").1["order_id"], told["results"][1]["order_id"]);
    assert_eq!(by_key("b-2").1["reject"]["code_name"], "LotSize");
    assert_eq!(by_key("nobody").0, 404);
    long_keys_are_told_as_hashes_and_found_as_they_were_sent(&house, &low);
    let (status, told) = house.post("/v1/orders/cancel-all", &json!({ "account": account }));
    assert_eq!(status, 200, "{told}");
    let (_, live) = house.get(&format!("/v1/orders?account={account}&status=live&min_sequence={}", told["sequence"]));
    assert_eq!(live["orders"], json!([]));
    assert_eq!(house.terminate(), Some(0));
}

fn a_time_line_and_its_checks_survive_a_kill(shape: Shape) {
    let folder = Folder::new("up-timeline");
    let house = House::start(shape, &folder.0, 12);
    let low = house.low();
    let (status, placed) = house.place(&keyed(&house.first_order, "t-1", Some(&low)));
    assert_eq!(status, 201, "{placed}");
    let mut odd = keyed(&house.first_order, "t-2", Some(&low));
    odd["quantity"] = json!("150");
    let (status, refused) = house.place(&odd);
    assert_eq!(status, 409, "{refused}");
    let timeline = |house: &House, placed: &Value| {
        let path = format!(
            "/v1/orders/{}/timeline?min_sequence={}",
            placed["order_id"].as_str().expect("an id"),
            placed["sequence"]
        );
        until("the checks are kept", || house.get(&path).1, |told| !told["placing"].is_null())
    };
    let told = timeline(&house, &placed);
    assert_eq!(told["placing"]["accepted"], true, "{told}");
    assert_eq!(input(&told, "price-limit", "limit_down"), low);
    assert_eq!(input(&told, "cash", "cash_needed"), told["order"]["hold_cash"].as_str().expect("text"));
    let other = timeline(&house, &refused);
    let checks = other["placing"]["checks"].as_array().expect("checks");
    assert_eq!(
        (checks.last().expect("one")["check"].as_str(), checks.last().expect("one")["outcome"].as_str()),
        (Some("lot"), Some("refused"))
    );
    // Killed at once behind the answer: what the checks looked at is told again from the journal.
    let (_, last) = house.place(&keyed(&house.first_order, "t-3", Some(&low)));
    house.kill();
    let house = House::start(shape, &folder.0, 12);
    assert_eq!(timeline(&house, &placed)["placing"], told["placing"]);
    assert_eq!(timeline(&house, &refused)["placing"], other["placing"]);
    assert_eq!(timeline(&house, &last)["placing"]["accepted"], true);
    assert_eq!(house.terminate(), Some(0));
}

fn parents_are_driven_stand_and_go_on_after_a_kill(shape: Shape) {
    let folder = Folder::new("up-driven");
    let house = House::start(shape, &folder.0, 13);
    let (low, account) = (house.low(), house.account());
    let symbol = house.first_order["symbol"].as_str().expect("text").to_owned();
    let body = |key: &str, more: Value| {
        let mut body = json!({ "account": account, "client_order_id": key, "kind": "iceberg",
            "symbol": symbol, "side": "buy", "quantity": "1000", "price": low,
            "display_quantity": "200" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    // At the lowest price of the day the visible part rests.
    let (status, placed) = house.post("/v1/parents", &body("p-1", json!({})));
    assert_eq!(status, 201, "{placed}");
    let path = format!("/v1/parents/{}", placed["parent_id"].as_str().expect("an id"));
    let told = until("a part is shown", || house.get(&path).1, |told| told["children"] == 1);
    assert_eq!((told["kind"].as_str(), told["status"].as_str()), (Some("iceberg"), Some("working")), "{told}");
    assert_eq!(
        (told["schedule"]["display_quantity"].as_str(), told["orders"][0]["quantity"].as_str()),
        (Some("200"), Some("200"))
    );
    let (status, again) = house.post("/v1/parents", &body("p-1", json!({})));
    assert_eq!((status, &again["parent_id"]), (200, &placed["parent_id"]), "{again}");
    let (status, other) = house.post("/v1/parents", &body("p-1", json!({ "display_quantity": "300" })));
    assert_eq!((status, other["code_name"].as_str()), (409, Some("KeyReused")));
    let (status, second) = house.post("/v1/parents", &body("p-2", json!({})));
    assert_eq!(status, 201, "{second}");
    let standing = format!("/v1/parents/{}", second["parent_id"].as_str().expect("an id"));
    until("the other works", || house.get(&standing).1, |told| told["children"] == 1);
    let (status, told) = house.post(&format!("{standing}/pause"), &json!({}));
    assert_eq!(status, 200, "{told}");
    let epoch = house.get(&path).1["epoch"].as_u64().expect("a number");
    house.kill();
    let house = House::start(shape, &folder.0, 13);
    // A new driver takes up the one, and leaves the other as the client wanted it.
    let told = until("it is claimed anew", || house.get(&path).1, |told| told["epoch"].as_u64() > Some(epoch));
    assert_eq!((told["status"].as_str(), told["children"].as_u64()), (Some("working"), Some(1)), "{told}");
    assert_eq!(house.get(&standing).1["status"], "paused");
    let (status, told) = house.post(&format!("{path}/cancel"), &json!({}));
    assert_eq!(status, 200, "{told}");
    let (_, told) = house.get(&format!("{path}?min_sequence={}", told["sequence"]));
    assert_eq!(
        (told["status"].as_str(), told["orders"][0]["status"].as_str()),
        (Some("done"), Some("cancelled")),
        "{told}"
    );
    let (status, told) = house.post(&format!("{path}/cancel"), &json!({}));
    assert_eq!((status, told["code_name"].as_str()), (409, Some("ParentNotWorking")));
    // A condition that holds already fires with the next trade.
    let market = house.get(&format!("/v1/instruments/{symbol}")).1;
    let condition = json!({ "kind": "condition", "display_quantity": null, "trigger": market["limit_down"], "price": market["limit_down"], "quantity": "100" });
    let (status, placed) = house.post("/v1/parents", &body("p-3", condition));
    assert_eq!(status, 201, "{placed}");
    let path = format!("/v1/parents/{}", placed["parent_id"].as_str().expect("an id"));
    let told = until("it fires", || house.get(&path).1, |told| !told["triggered_by"].is_null());
    assert_eq!(told["children"], 1, "{told}");
    assert_eq!(house.terminate(), Some(0));
}
