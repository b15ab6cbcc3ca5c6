//! Ways to break a configuration: everything that can be done to one value of it, by its kind.

use serde_json::{Map, Value as Json, json};

/// A step to a value inside of another.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// One thing that is done to one value.
#[derive(Clone, Debug)]
pub struct Break {
    at: Vec<Step>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Replace(Json),
    Drop(String),
    Rename(String, String),
    Add(String),
    DropItem(usize),
    Double(usize),
    Swap(usize, usize),
}

impl std::fmt::Display for Break {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for step in &self.at {
            match step {
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item(at) => write!(f, "[{at}]")?,
            }
        }
        match &self.what {
            What::Replace(with) => write!(f, " = {with}"),
            What::Drop(name) => write!(f, ": without {name}"),
            What::Rename(from, to) => write!(f, ": {from} is called {to}"),
            What::Add(name) => write!(f, ": with {name}"),
            What::DropItem(at) => write!(f, ": without item {at}"),
            What::Double(at) => write!(f, ": item {at} twice"),
            What::Swap(one, other) => write!(f, ": items {one} and {other} exchanged"),
        }
    }
}

impl Break {
    /// The configuration with this done to it.
    pub fn of(&self, whole: &Json) -> Json {
        let mut broken = whole.clone();
        let found = self.at.iter().try_fold(&mut broken, |at, step| match step {
            Step::Member(name) => at.get_mut(name),
            Step::Item(number) => at.get_mut(number),
        });
        if let Some(at) = found {
            self.what.apply(at);
        }
        broken
    }
}

impl What {
    fn apply(&self, at: &mut Json) {
        match (self, at) {
            (Self::Replace(with), at) => *at = with.clone(),
            (Self::Drop(name), Json::Object(members)) => {
                members.shift_remove(name);
            }
            (Self::Rename(from, to), Json::Object(members)) => {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(key, value)| match key == *from {
                        true => (to.clone(), value),
                        false => (key, value),
                    })
                    .collect();
            }
            (Self::Add(name), Json::Object(members)) => {
                members.insert(name.clone(), json!("x"));
            }
            (Self::DropItem(number), Json::Array(items)) => {
                items.remove(*number);
            }
            (Self::Double(number), Json::Array(items)) => {
                items.insert(*number, items[*number].clone());
            }
            (Self::Swap(one, other), Json::Array(items)) => items.swap(*one, *other),
            _ => {}
        }
    }
}

/// All that can be done to a configuration, one thing at a time.
pub fn all(whole: &Json) -> Vec<Break> {
    let mut found = Vec::new();
    walk(whole, &mut Vec::new(), &mut found);
    found
}

fn walk(at: &Json, path: &mut Vec<Step>, found: &mut Vec<Break>) {
    let mut add = |what: What| {
        found.push(Break {
            at: path.clone(),
            what,
        });
    };
    let replacements = match at {
        Json::Object(members) => {
            of_object(members, &mut add);
            vec![json!("x"), json!([at]), json!({}), json!(null), json!(7)]
        }
        Json::Array(items) => {
            of_list(items, &mut add);
            let one = items.first().cloned().unwrap_or_default();
            vec![json!("x"), json!([]), json!(null), json!({}), one]
        }
        Json::String(text) => of_text(text),
        Json::Number(number) => [
            "-1",
            "0",
            "1",
            "4294967296",
            "1.5",
            "\"x\"",
            "true",
            "{}",
            "1e3",
        ]
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .chain([json!(number.to_string()), json!([number])])
        .collect(),
        Json::Bool(value) => vec![
            json!(!value),
            json!("yes"),
            json!(value.to_string()),
            json!("maybe"),
            json!(1),
            json!({ "value": value }),
            json!([value]),
        ],
        Json::Null => Vec::new(),
    };
    // The whole of it is no file any more.
    if !path.is_empty() {
        let others = replacements.into_iter().filter(|with| with != at);
        others.for_each(|with| add(What::Replace(with)));
    }
    match at {
        Json::Object(members) => {
            for (key, value) in members {
                // What a filter is told is judged by the filter, which is not there.
                if key == "configuration" {
                    continue;
                }
                path.push(Step::Member(key.clone()));
                walk(value, path, found);
                path.pop();
            }
        }
        Json::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                path.push(Step::Item(number));
                walk(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn of_object(members: &Map<String, Json>, add: &mut impl FnMut(What)) {
    add(What::Add("not_a_field".to_owned()));
    for key in members.keys() {
        add(What::Drop(key.clone()));
        let mut cut = key.clone();
        cut.remove(key.len() / 2);
        let mut names = vec![cut, format!("{key}_")];
        if key.contains('_') {
            names.extend([camel(key), key.replace('_', "-"), key.to_uppercase()]);
        }
        for name in names {
            if !members.contains_key(&name) {
                add(What::Rename(key.clone(), name));
            }
        }
    }
}

fn of_list(items: &[Json], add: &mut impl FnMut(What)) {
    for at in 0..items.len() {
        add(What::DropItem(at));
        add(What::Double(at));
        if at > 0 {
            add(What::Swap(at - 1, at));
            add(What::Swap(at, items.len() - 1));
        }
    }
}

/// Not the unknown number of a value: Envoy takes it for many enums, and `check` for none.
fn of_text(text: &str) -> Vec<Json> {
    let mut found = vec![
        json!(""),
        json!(true),
        json!([text]),
        json!({}),
        json!(format!("{text}\n")),
        json!(format!("{text}x")),
        json!(format!("a b{text}")),
    ];
    let is_word = |c: char| c.is_ascii_uppercase() || c == '_';
    if !text.is_empty() && text.chars().all(is_word) {
        found.extend([
            json!(text.to_lowercase()),
            json!(1),
            json!("1"),
            json!("FAIL_OPEN"),
            json!(3),
        ]);
    } else {
        found.push(json!(7));
    }
    if let Some(seconds) = text
        .strip_suffix('s')
        .filter(|it| it.parse::<f64>().is_ok())
    {
        found.extend([
            json!(seconds),
            json!(format!("-{text}")),
            json!(format!("{seconds}ms")),
            json!("0s"),
            json!(5),
        ]);
    }
    if let Some((before, name)) = text.split_once('/').filter(|_| text.starts_with("type.")) {
        found.extend([
            json!(name),
            json!(format!("/{name}")),
            json!(format!("other.example/{name}")),
            json!(text.replace(".v3.", ".v2.")),
            json!(format!("{before}/google.protobuf.Empty")),
            json!(format!("{before}/envoy.config.cluster.v3.Cluster")),
        ]);
    }
    found
}

fn camel(name: &str) -> String {
    let mut camel = String::new();
    let mut raise = false;
    for letter in name.chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                camel.push(letter.to_ascii_uppercase());
                raise = false;
            }
            letter => camel.push(letter),
        }
    }
    camel
}
