//! The commands, from the words of the command line to the answer.

use clap::Parser;

use super::output::Shown;
use super::{RulesArgs, Trouble, answer};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: RulesArgs,
}

fn ask(line: &str) -> Result<String, Trouble> {
    let words = std::iter::once("rules").chain(line.split_whitespace());
    let parsed = Line::try_parse_from(words).expect("the words of a test are right");
    answer(&parsed.args).map(|output| serde_json::to_string(&output).expect("an answer is plain data"))
}

fn check(line: &str, expected: &str) {
    match ask(line) {
        Ok(found) => assert_eq!(found, expected, "{line}"),
        Err(why) => panic!("{line}: {why}"),
    }
}

fn refused(line: &str, part: &str) {
    let why = ask(line).expect_err("refused").to_string();
    assert!(why.contains(part), "{line}: {why}");
}

#[test]
fn price_limits() {
    check("price-limits --board sse-main --st --prev 2.15 --date 2026-07-03", r#"{"up":"2.26","down":"2.04"}"#);
    check("price-limits --board sse-main --st --prev 2.15 --date 2026-07-06", r#"{"up":"2.37","down":"1.94"}"#);
    check("price-limits --board star --prev 33.33 --date 2026-07-06", r#"{"up":"40.00","down":"26.66"}"#);
    check("price-limits --board bse --prev 7.77 --date 2026-07-06", r#"{"up":"10.10","down":"5.44"}"#);
    check("price-limits --board hk --prev 78.35 --date 2026-07-06", r#"{"up":null,"down":null}"#);
    let day_one = "price-limits --board szse-main --class convertible --listing-day 1 --prev 100 --date 2026-07-06";
    check(day_one, r#"{"up":"157.30","down":"56.70"}"#);
    refused("price-limits --board star --prev 1 --date 2019-07-19", "the first entry begins 2019-07-22");
    refused("price-limits --board star --prev 0 --date 2026-07-06", "a price must be above 0");
}

#[test]
fn fees() {
    check(
        "fees --board sse-main --side sell --price 12.34 --quantity 1000 --commission 0.00025 --date 2026-07-06",
        concat!(
            r#"{"commission":"5.00","stamp":"6.17","transfer":"0.12","handling":"0.42","regulatory":"0.25","#,
            r#""sfc":"0.00","afrc":"0.00","trading":"0.00","settlement":"0.00","total":"11.29"}"#
        ),
    );
    check(
        "fees --board hk --side buy --price 78.35 --quantity 400 --commission 0 --date 2026-07-06",
        concat!(
            r#"{"commission":"0.00","stamp":"32.00","transfer":"0.00","handling":"0.00","regulatory":"0.00","#,
            r#""sfc":"0.85","afrc":"0.05","trading":"1.77","settlement":"1.32","total":"35.99"}"#
        ),
    );
    refused("fees --board bse --side buy --price 1 --quantity 0 --date 2026-07-06", "--quantity 0: must be above 0");
    refused(
        "fees --board bse --side buy --price 1 --quantity 1 --commission 2 --date 2026-07-06",
        "a fraction of the amount",
    );
}

#[test]
fn cages() {
    let on = "--prev 10.00 --date 2026-07-06";
    check(&format!("cage --board sse-main --side buy --best-ask 10.00 {on}"), r#"{"limit":"10.20"}"#);
    check(&format!("cage --board sse-main --side buy --best-ask 3.00 {on}"), r#"{"limit":"3.10"}"#);
    check(&format!("cage --board szse-main --side sell --best-bid 3.00 {on}"), r#"{"limit":"2.90"}"#);
    check(&format!("cage --board bse --side buy {on}"), r#"{"limit":"10.50"}"#);
    check("cage --board sse-main --side buy --prev 10 --date 2020-01-02", r#"{"limit":null}"#);
    check("cage --board hk --side buy --prev 10 --date 2026-07-06", r#"{"limit":null}"#);
}

#[test]
fn reference_prices_and_repo() {
    let action = "ex-rights --prev 20.00 --per 10 --cash 5 --bonus 3 --rights 2 --rights-price 8.00";
    check(action, r#"{"reference":"14.07"}"#);
    check("ex-rights --prev 20.00 --cash 0.5 --bonus 0.3 --rights 0.2 --rights-price 8", r#"{"reference":"14.07"}"#);
    refused("ex-rights --prev 1 --cash 2", "nothing would be left");
    refused("ex-rights --prev 1 --per 3 --cash 1", "finer than");
    check(
        "repo-interest --principal 100000 --rate 1.80 --date 2026-07-09",
        r#"{"days":3,"interest":"14.79","first_settlement":"2026-07-10","money_back":"2026-07-13"}"#,
    );
    refused("repo-interest --principal 0 --rate 1.80 --date 2026-07-09", "--principal");
    refused("repo-interest --principal 1 --rate 1.80 --date 2026-12-31", "no calendar rule");
    refused("repo-interest --principal 1 --rate 1.80 --date 2026-12-30", "for exchange sse on 2027-01-01");
    refused("repo-interest --principal 1 --rate 1.80 --date 2026-07-11", "does not trade on that day");
}

fn auction(name: &str, orders: &str, rest: &str) -> Result<String, Trouble> {
    let path = std::env::temp_dir().join(format!("heng-rules-{}-{name}.csv", std::process::id()));
    std::fs::write(&path, orders).expect("the temporary folder can be written");
    let found = ask(&format!("auction --orders {} {rest}", path.display()));
    std::fs::remove_file(&path).expect("the file is ours");
    found
}

#[test]
fn call_auctions() {
    let check = |name: &str, orders: &str, rest: &str, expected: &str| {
        assert_eq!(auction(name, orders, rest).expect("an answer"), expected, "{name} {rest}");
    };
    let four = "side,price,quantity\nbuy,10.10,500\nbuy,10.00,300\nsell,9.90,400\nsell,10.05,300\n";
    for exchange in ["sse", "szse"] {
        let rest = format!("--exchange {exchange} --reference 10.00");
        check("four", four, &rest, r#"{"price":"10.05","volume":500}"#);
    }
    let two = "buy,10.10,500\nsell,9.90,500\n";
    check("two", two, "--exchange sse --reference 10.03", r#"{"price":"10.00","volume":500}"#);
    check("two", two, "--exchange szse --reference 10.03", r#"{"price":"10.03","volume":500}"#);
    check(
        "more",
        "buy,10.10,500\nsell,9.90,300\n",
        "--exchange sse --reference 10",
        r#"{"price":"10.10","volume":300}"#,
    );
    check("none", "buy,9.00,500\nsell,9.90,300\n", "--exchange sse --reference 10", r#"{"price":null,"volume":0}"#);
    check("empty", "", "--exchange bse --reference 10", r#"{"price":null,"volume":0}"#);
}

#[test]
fn wrong_orders_are_told_with_their_line() {
    let refused = |name: &str, orders: &str, part: &str| {
        let why = auction(name, orders, "--exchange sse --reference 10").expect_err("refused").to_string();
        assert!(why.contains(part), "{name}: {why}");
    };
    refused("fields", "buy,10.10\n", ".csv:1: expected side,price,quantity, found 2 fields");
    refused("side", "side,price,quantity\nhold,10.10,100\n", ".csv:2: \"hold\" is none of: buy, sell");
    refused("tick", "buy,10.105,100\n", ".csv:1: price 10.105 must be above 0 and a multiple of the tick 0.01");
    refused("quantity", "buy,10.10,-1\n", ".csv:1: quantity -1 must be above 0");
    let most = i64::MAX;
    refused("sum", &format!("buy,10.10,{most}\nbuy,10.10,{most}\n"), ".csv:2: order 1");
    assert!(ask("auction --exchange sse --reference 10 --orders /nowhere.csv").is_err());
}

#[test]
fn lists_and_folders() {
    let Ok(Shown::Count(all)) = counted("list") else { panic!("a count") };
    let Ok(Shown::Count(limits)) = counted("list --family limit") else { panic!("a count") };
    let Ok(Shown::Count(unverified)) = counted("list --unverified") else { panic!("a count") };
    assert!(limits > 20 && unverified > 0 && limits + unverified < all);
    refused("list --rules /nowhere", "read the rules folder /nowhere");
    let folder = std::env::temp_dir().join(format!("heng-rules-folder-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    refused(&format!("list --rules {}", folder.display()), "holds no rule files");
    std::fs::write(folder.join("x.toml"), "[[tick]]\nid = 1\n").expect("written");
    refused(&format!("list --rules {}", folder.display()), "x.toml:2: \"id\" must be text");
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

fn counted(line: &str) -> Result<Shown, Trouble> {
    let words = std::iter::once("rules").chain(line.split_whitespace());
    let parsed = Line::try_parse_from(words).expect("the words of a test are right");
    Ok(answer(&parsed.args)?.get("count").expect("a list has a count").clone())
}

mod comparison {
    use heng_rulebook::Rulebook;

    use super::super::Trouble;
    use super::super::check::{Marina, compare};
    use super::super::explained::{explanations, parse};

    fn outside(value: &str, limits: &str) -> Marina {
        let json = format!(
            r#"{{"version":"1","digest":"d","records":[{{"id":"cn.limit.st_main.2026-07-06","market":"XSHG+XSHE",
            "scope":"st_main","rule":"price_limit_pct","value":{value},"from":"2026-07-06","to":null}}],"limits":[{limits}]}}"#
        );
        serde_json::from_str(&json).expect("as the script prints")
    }

    fn differing(value: &str, limits: &str, document: &str) -> Option<String> {
        let book = Rulebook::parse(&Rulebook::embedded_files()).expect("our own");
        match compare(&book, &outside(value, limits), &parse(document).expect("rows")) {
            Ok(_) => None,
            Err(Trouble::Differs(output)) => Some(serde_json::to_string(&output).expect("plain data")),
            Err(why) => panic!("{why}"),
        }
    }

    #[test]
    fn equal_answers_need_no_explanation() {
        let limits = r#"["cn.limit.st_main.2026-07-06","XSHG","2026-07-06","2.15",["2.370","1.940"]]"#;
        assert_eq!(differing(r#""0.1""#, limits, ""), None);
    }

    #[test]
    fn each_difference_is_told_with_its_days() {
        let found = differing(r#""0.05""#, "", "").expect("a difference");
        assert!(found.contains(r#""scope":"sse-main stock","rule":"price_limit_pct","from":"2026-07-06","until":"2026-12-31","ours":"+0.1 -0.1","theirs":"+0.05 -0.05","explained":false"#), "{found}");
        assert!(found.contains(r#""unexplained":2"#), "one for each exchange: {found}");
        let limits = r#"["cn.limit.st_main.2026-07-06","XSHE","2026-07-06","2.15",["2.260","2.040"]]"#;
        let found = differing(r#""0.1""#, limits, "").expect("a difference");
        assert!(found.contains(r#""ours":"2.15: 2.37 1.94","theirs":"2.26 2.04""#), "{found}");
    }

    #[test]
    fn an_explanation_must_cover_all_days() {
        let row = |until| format!("| `cn.limit.st_*` | * | price_limit_pct | 2026-07-06 | {until} | * | * | because |");
        assert_eq!(differing(r#""0.05""#, "", &row("2026-12-31")), None);
        assert!(differing(r#""0.05""#, "", &row("2026-12-30")).is_some());
    }

    #[test]
    fn the_document_can_be_read() {
        assert!(!explanations().expect("docs/rules-differences.md").is_empty());
        assert!(parse("| `a` | b |").is_err());
    }
}
