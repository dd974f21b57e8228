//! The words of a transaction, in English and Chinese, made from the bytes that will be sent: whoever signs them signs
//! what will happen, whatever a page showed around them.

use heng_transport::SteppedUp;
use serde_json::{Map, Value};

use crate::error::IdentityError;

/// Bytes of a body that words are made of at most.
pub(crate) const BODY_MAX: usize = 16_384;

/// What a person confirms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) english: String,
    pub(crate) chinese: String,
}

/// Fields as they are called in both languages; others keep their own name.
const FIELDS: [(&str, &str, &str); 26] = [
    ("id", "Number", "编号"),
    ("name", "Name", "名称"),
    ("kind", "Kind", "类型"),
    ("public_key", "Public key", "公钥"),
    ("scopes", "May do", "权限范围"),
    ("networks", "Only from", "限定来源"),
    ("days", "Days", "有效天数"),
    ("roles", "Roles", "角色"),
    ("accounts", "Accounts", "账户"),
    ("account", "Account", "账户"),
    ("password", "Password", "密码"),
    ("reason", "Reason", "理由"),
    ("on", "Stop", "停止"),
    ("symbol", "Instrument", "证券"),
    ("cancel_live", "Cancel live orders", "撤销在途委托"),
    ("decision", "Decision", "决定"),
    ("user", "User", "用户"),
    ("due_days", "Days", "天数"),
    ("amount", "Amount", "金额"),
    ("currency", "Currency", "币种"),
    ("bank", "Bank", "银行"),
    ("card", "Card", "银行卡"),
    ("limit", "Limit", "限额"),
    ("document", "Document", "文件"),
    ("version", "Version", "版本"),
    ("factors", "Second factors too", "同时清除第二因素"),
];

/// Fields whose value is not shown; the hash of the body binds it all the same.
const HIDDEN: [&str; 4] = ["password", "current_password", "new_password", "secret"];

/// Characters that could make a text look like another one become a box.
fn plain(text: &str) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if odd(c) { '\u{25a1}' } else { c }).collect()
}

fn shown(value: &Value) -> (String, String) {
    let same = |text: String| (text.clone(), text);
    match value {
        Value::Bool(true) => ("yes".to_owned(), "是".to_owned()),
        Value::Bool(false) => ("no".to_owned(), "否".to_owned()),
        Value::String(text) => same(plain(text)),
        Value::Array(items) if items.is_empty() => ("any".to_owned(), "不限".to_owned()),
        Value::Array(items) => {
            let (english, chinese): (Vec<_>, Vec<_>) = items.iter().map(shown).unzip();
            (english.join(", "), chinese.join("、"))
        }
        other => same(plain(&other.to_string())),
    }
}

/// What the path's parameters are, if `target` is of the form `path` and has no query.
fn parameters<'a>(path: &'a str, target: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (form, told): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), target.split('/').collect());
    if form.len() != told.len() || target.contains(['?', '#', '%']) {
        return None;
    }
    let mut found = Vec::new();
    for (form, told) in form.into_iter().zip(told) {
        match form.strip_prefix('{').and_then(|form| form.strip_suffix('}')) {
            Some(name) if !told.is_empty() => found.push((name, told)),
            None if form == told => {}
            _ => return None,
        }
    }
    Some(found)
}

/// The words of `operation` on `target` with `body` by `who`.
pub(super) fn of(operation: &SteppedUp, who: &str, target: &str, body: &str) -> Result<Words, IdentityError> {
    let parameters = parameters(operation.path, target);
    let parameters = parameters.ok_or_else(|| IdentityError::field("/target", "is not a path of this operation"))?;
    if body.len() > BODY_MAX {
        return Err(IdentityError::field("/body", format!("has more than {BODY_MAX} bytes")));
    }
    let fields: Map<String, Value> = if body.is_empty() {
        Map::new()
    } else {
        serde_json::from_str(body).map_err(|_| IdentityError::field("/body", "is not a JSON object"))?
    };
    let mut lines = vec![(operation.english.to_owned(), operation.chinese.to_owned())];
    let mut add = |name: &str, (english, chinese): (String, String)| {
        let known = FIELDS.iter().find(|(field, ..)| *field == name);
        let plain = plain(name);
        let (label, wort) =
            known.map_or((plain.as_str(), plain.as_str()), |(_, english, chinese)| (*english, *chinese));
        lines.push((format!("{label}: {english}"), format!("{wort}：{chinese}")));
    };
    for (name, told) in parameters {
        add(name, (plain(told), plain(told)));
    }
    for (name, value) in &fields {
        match value {
            Value::Null => {}
            _ if HIDDEN.contains(&name.as_str()) => add(name, ("given".to_owned(), "已填写".to_owned())),
            value => add(name, shown(value)),
        }
    }
    lines.push((format!("By: {who}"), format!("操作人：{who}")));
    let (english, chinese): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    Ok(Words { english: english.join("\n"), chinese: chinese.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(path: &'static str) -> SteppedUp {
        let (operation, english, chinese) = ("doIt", "Do it", "执行");
        SteppedUp { operation, method: "POST".to_owned(), path, english, chinese, enrols: false }
    }

    fn check(path: &'static str, target: &str, body: &str, expected: Option<&str>) {
        let words = of(&operation(path), "alice", target, body).ok();
        assert_eq!(words.map(|words| words.english).as_deref(), expected, "{target} {body}");
    }

    #[test]
    fn the_words_tell_every_field_that_is_sent() {
        let body = r#"{"name":"desk","scopes":["order.read","fill.read"],"networks":[],"days":7,"note":null,"password":"x y"}"#;
        let told = "Do it\nNumber: 7\nName: desk\nMay do: order.read, fill.read\nOnly from: any\nDays: 7\nPassword: \
            given\nBy: alice";
        check("/v1/things/{id}", "/v1/things/7", body, Some(told));
        let words = of(&operation("/v1/x"), "alice", "/v1/x", r#"{"on":true}"#).expect("words");
        assert_eq!(words.chinese, "执行\n停止：是\n操作人：alice");
    }

    #[test]
    fn nothing_can_look_like_another_line_or_stand_elsewhere() {
        check("/v1/x", "/v1/x", r#"{"name":"a\nBy: bob\u202e"}"#, Some("Do it\nName: a□By: bob□\nBy: alice"));
        for target in ["/v1/x/", "/v1/y", "/v1/x?a=1", "/v1/%78", ""] {
            check("/v1/x", target, "", None);
        }
        check("/v1/{id}", "/v1/", "", None);
        for body in ["[]", "1", "{", &format!("{{\"a\":\"{}\"}}", "x".repeat(BODY_MAX))] {
            check("/v1/x", "/v1/x", body, None);
        }
    }
}
