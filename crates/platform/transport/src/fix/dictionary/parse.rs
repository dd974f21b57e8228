//! Reads the compact text of a dictionary. The texts are ours, so whatever is wrong with one is a bug.

use std::collections::BTreeMap;
use std::str::SplitAsciiWhitespace;

use super::{Dictionary, FieldRule, Layout, Member, MessageRule};
use crate::fix::value::Kind;

/// Components hold components; more than this many within each other would be a loop.
const DEPTH_MAX: usize = 24;

/// A field in a list, before the list is put in order.
#[derive(Clone, Copy)]
struct Item {
    tag: u32,
    required: bool,
    group: Option<u16>,
}

struct Reader {
    components: BTreeMap<&'static str, &'static str>,
    /// Components that were read already.
    read: BTreeMap<&'static str, Vec<Item>>,
    groups: Vec<Layout>,
}

pub(super) fn read(text: &'static str) -> Dictionary {
    let lines = || text.lines().filter_map(|line| line.split_once(' '));
    let components = lines().filter(|(letter, _)| *letter == "c").filter_map(|(_, rest)| rest.split_once(' '));
    let mut reader = Reader { components: components.collect(), read: BTreeMap::new(), groups: Vec::new() };
    let mut dictionary = Dictionary {
        version: "",
        fields: Vec::new(),
        places: Vec::new(),
        messages: Vec::new(),
        header: Layout::default(),
        trailer: Layout::default(),
        groups: Vec::new(),
    };
    for (letter, rest) in lines() {
        match letter {
            "v" => dictionary.version = rest,
            "f" => dictionary.fields.push(field(rest)),
            "h" => dictionary.header = layout(reader.items(&mut rest.split_ascii_whitespace(), 0)),
            "t" => dictionary.trailer = layout(reader.items(&mut rest.split_ascii_whitespace(), 0)),
            "a" | "m" => dictionary.messages.push(reader.message(letter == "a", rest)),
            _ => {}
        }
    }
    dictionary.messages.sort_by_key(|(kind, _)| *kind);
    dictionary.groups = reader.groups;
    dictionary.places = places(&dictionary.fields);
    dictionary
}

fn places(fields: &[FieldRule]) -> Vec<u16> {
    let last = fields.iter().map(|field| field.tag).max().unwrap_or(0);
    let mut places = vec![Dictionary::NONE; last as usize + 1];
    for (place, field) in fields.iter().enumerate() {
        places[field.tag as usize] = u16::try_from(place).expect("a dictionary has fewer than 65535 fields");
    }
    places
}

fn field(line: &'static str) -> FieldRule {
    let mut words = line.split_ascii_whitespace();
    let mut word = || words.next().expect("a field has a tag, a name and a type");
    let (tag, name, kind) = (number(word()), word(), Kind::from_name(word()));
    let mut values: Vec<&'static str> = words.next().map_or_else(Vec::new, |values| values.split(',').collect());
    values.sort_unstable();
    FieldRule { tag, name, kind, values }
}

fn number(word: &str) -> u32 {
    word.parse().expect("tags are numbers")
}

fn layout(items: Vec<Item>) -> Layout {
    let first = items.first().map_or(0, |item| item.tag);
    let mut members: Vec<Member> = Vec::with_capacity(items.len());
    let mut required: Vec<u32> = items.iter().filter(|item| item.required).map(|item| item.tag).collect();
    for (place, item) in items.into_iter().enumerate() {
        let place = u32::try_from(place).expect("a message has fewer fields than tags exist");
        members.push(Member { tag: item.tag, place, group: item.group });
    }
    // The sort is stable: where a list names a field twice, the first place counts.
    members.sort_by_key(|member| member.tag);
    members.dedup_by_key(|member| member.tag);
    required.sort_unstable();
    required.dedup();
    Layout { members, required, first }
}

impl Reader {
    fn message(&mut self, admin: bool, line: &'static str) -> (&'static [u8], MessageRule) {
        let mut words = line.split_ascii_whitespace();
        let mut word = || words.next().expect("a message has a type and a name");
        let (kind, name) = (word(), word());
        (kind.as_bytes(), MessageRule { name, admin, body: layout(self.items(&mut words, 0)) })
    }

    /// Reads to the end of the list or of the group.
    fn items(&mut self, words: &mut SplitAsciiWhitespace<'static>, depth: usize) -> Vec<Item> {
        assert!(depth < DEPTH_MAX, "components hold each other");
        let mut items = Vec::new();
        while let Some(word) = words.next() {
            if word == ")" {
                break;
            }
            let (word, group) = word.strip_suffix('(').map_or((word, false), |word| (word, true));
            let (word, required) = word.strip_suffix('?').map_or((word, true), |word| (word, false));
            if let Some(component) = word.strip_prefix('@') {
                let held = self.component(component, depth + 1);
                items.extend(held.into_iter().map(|item| Item { required: item.required && required, ..item }));
                continue;
            }
            let group = group.then(|| {
                let inner = layout(self.items(words, depth + 1));
                self.groups.push(inner);
                u16::try_from(self.groups.len() - 1).expect("a dictionary has fewer than 65535 groups")
            });
            items.push(Item { tag: number(word), required, group });
        }
        items
    }

    fn component(&mut self, name: &'static str, depth: usize) -> Vec<Item> {
        if let Some(items) = self.read.get(name) {
            return items.clone();
        }
        // A component without fields has no line rest.
        let text = self.components.get(name).copied().unwrap_or("");
        let items = self.items(&mut text.split_ascii_whitespace(), depth);
        self.read.insert(name, items.clone());
        items
    }
}
