use std::collections::BTreeMap;

use super::*;

fn dictionaries() -> Vec<&'static Dictionary> {
    let versions = ApplVersion::ALL.iter().map(|version| version.dictionary());
    versions.chain([Begin::Fixt11.dictionary()]).collect()
}

#[test]
fn every_dictionary_is_complete_in_itself() {
    for dictionary in dictionaries() {
        let layouts = dictionary.messages.iter().map(|(_, message)| &message.body);
        let layouts = layouts.chain(&dictionary.groups).chain([&dictionary.header, &dictionary.trailer]);
        for layout in layouts {
            for member in &layout.members {
                let field = dictionary.field(member.tag);
                assert!(field.is_some(), "{} has no field {}", dictionary.version, member.tag);
            }
            let known = |tag: &u32| layout.member(*tag).is_some();
            assert!(layout.required.iter().all(known), "{}", dictionary.version);
        }
    }
}

#[test]
fn well_known_facts_are_there() {
    let fix44 = ApplVersion::Fix44.dictionary();
    let order = fix44.message(b"D").unwrap();
    assert_eq!((order.name, order.admin), ("NewOrderSingle", false));
    assert_eq!(order.body.required, [11, 40, 54, 60]);
    let side = fix44.field(54).unwrap();
    assert_eq!((side.name, side.kind), ("Side", Kind::Char));
    assert!(side.values.contains(&"1") && !side.values.contains(&"Z"));
    // Parties come from a component, and hold a group of their own.
    let parties = fix44.group(order.body.member(453).unwrap().group.unwrap());
    assert_eq!(parties.first, 448);
    assert!(parties.member(802).unwrap().group.is_some());
    assert!(fix44.message(b"A").unwrap().admin);
    assert_eq!(fix44.header().required, [8, 9, 34, 35, 49, 52, 56]);
    assert_eq!(fix44.trailer().required, [10]);
    assert_eq!(Begin::Fixt11.dictionary().message(b"A").unwrap().body.required, [98, 108, 1137]);
    let messages: Vec<usize> = dictionaries().iter().map(|dictionary| dictionary.messages.len()).collect();
    assert_eq!(messages, [46, 68, 93, 93, 105, 156, 8]);
}

/// An element of the XML that dictionaries are published in; enough of XML for these files.
#[derive(Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
}

fn element(text: &mut &str) -> Option<Element> {
    loop {
        let open = text.find('<')?;
        *text = &text[open + 1..];
        if !text.starts_with(['?', '!']) {
            break;
        }
    }
    let (tag, rest) = text.split_once('>')?;
    *text = rest;
    if tag.starts_with('/') {
        return None;
    }
    let mut found = Element { name: tag.split([' ', '/']).next()?.to_owned(), ..Element::default() };
    for part in tag.split("='").collect::<Vec<_>>().windows(2) {
        let name = part[0].rsplit(' ').next()?.to_owned();
        found.attributes.insert(name, part[1].split('\'').next()?.replace("&lt;", "<").replace("&amp;", "&"));
    }
    if !tag.ends_with('/') {
        while let Some(child) = element(text) {
            found.children.push(child);
        }
    }
    Some(found)
}

impl Element {
    fn child(&self, name: &str) -> &Element {
        self.children.iter().find(|child| child.name == name).unwrap()
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    fn required(&self) -> bool {
        self.attribute("required").eq_ignore_ascii_case("y")
    }
}

/// Everything a list holds, with components in their place: tag, needed, group.
fn flat<'a>(root: &'a Element, list: &'a Element, needed: bool, out: &mut Vec<(&'a str, bool, Option<&'a Element>)>) {
    for item in &list.children {
        if item.name == "component" {
            let components = &root.child("components").children;
            let component = components.iter().find(|each| each.attribute("name") == item.attribute("name")).unwrap();
            flat(root, component, needed && item.required(), out);
        } else {
            out.push((item.attribute("name"), needed && item.required(), (item.name == "group").then_some(item)));
        }
    }
}

fn compare(
    dictionary: &Dictionary,
    root: &Element,
    tags: &BTreeMap<&str, u32>,
    list: &Element,
    layout: &Layout,
    at: &str,
) {
    let mut items = Vec::new();
    flat(root, list, true, &mut items);
    let mut required: Vec<u32> = items.iter().filter(|item| item.1).map(|item| tags[item.0]).collect();
    required.sort_unstable();
    required.dedup();
    assert_eq!(layout.required, required, "{at}");
    let mut named: Vec<u32> = items.iter().map(|item| tags[item.0]).collect();
    named.sort_unstable();
    named.dedup();
    let members: Vec<u32> = layout.members.iter().map(|member| member.tag).collect();
    assert_eq!(members, named, "{at}");
    assert_eq!(layout.first, items.first().map_or(0, |item| tags[item.0]), "{at}");
    let mut seen = std::collections::BTreeSet::new();
    for (name, _, group) in items {
        let member = layout.member(tags[name]).unwrap();
        if seen.insert(name) {
            assert_eq!(member.group.is_some(), group.is_some(), "{at} {name}");
            if let (Some(inner), Some(list)) = (member.group, group) {
                compare(dictionary, root, tags, list, dictionary.group(inner), &format!("{at} {name}"));
            }
        }
    }
}

/// With HENG_FIX_DICTIONARIES naming the folder that convert.py read, every fact is compared with the source.
#[test]
fn nothing_was_lost_in_the_conversion() {
    let Ok(folder) = std::env::var("HENG_FIX_DICTIONARIES") else { return };
    let files = ["FIX42", "FIX43", "FIX44", "FIX50", "FIX50SP1", "FIX50SP2", "FIXT11"];
    for (file, dictionary) in files.into_iter().zip(dictionaries()) {
        let text = std::fs::read_to_string(format!("{folder}/{file}.xml")).unwrap();
        let root = element(&mut text.as_str()).unwrap();
        let fields = &root.child("fields").children;
        assert_eq!(dictionary.fields.len(), fields.len(), "{file}");
        let tags = fields.iter().map(|field| (field.attribute("name"), field.attribute("number").parse().unwrap()));
        let tags: BTreeMap<&str, u32> = tags.collect();
        for field in fields {
            let rule = dictionary.field(tags[field.attribute("name")]).unwrap();
            assert_eq!((rule.name, rule.kind), (field.attribute("name"), Kind::from_name(field.attribute("type"))));
            let mut values: Vec<&str> = field.children.iter().map(|value| value.attribute("enum")).collect();
            values.sort_unstable();
            values.dedup();
            values.retain(|_| !field.children.iter().any(|value| value.attribute("enum").contains(' ')));
            assert_eq!(rule.values, values, "{file} {}", rule.name);
        }
        let messages = &root.child("messages").children;
        assert_eq!(dictionary.messages.len(), messages.len(), "{file}");
        for message in messages {
            let rule = dictionary.message(message.attribute("msgtype").as_bytes()).unwrap();
            assert_eq!((rule.name, rule.admin), (message.attribute("name"), message.attribute("msgcat") == "admin"));
            compare(dictionary, &root, &tags, message, &rule.body, &format!("{file} {}", rule.name));
        }
        for (name, layout) in [("header", dictionary.header()), ("trailer", dictionary.trailer())] {
            compare(dictionary, &root, &tags, root.child(name), layout, &format!("{file} {name}"));
        }
    }
}
