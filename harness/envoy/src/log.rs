//! Reading Envoy's log: its lines look like `[time][thread][level][component] [file:line] words`.

/// The lines that filters logged, without Envoy's own.
pub fn filter_lines(log: &str) -> String {
    lines_of(log, is_of_filter)
}

/// The components of Envoy's log that filters write to: as wasm, and as a dynamic module.
const FILTERS: [&str; 2] = ["] wasm log", "][dynamic_modules]"];

fn is_of_filter(line: &str) -> bool {
    FILTERS.iter().any(|part| line.contains(part))
}

/// Why Envoy ended: what filters logged, and its own errors.
pub fn complaints(log: &str) -> String {
    let found = lines_of(log, |line| {
        is_of_filter(line)
            || ["][error]", "][critical]"]
                .iter()
                .any(|part| line.contains(part))
    });
    if found.is_empty() { tail(log) } else { found }
}

/// Lines of a log that are wanted, with those that belong to them.
fn lines_of(log: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    let mut keeping = false;
    for line in log.lines() {
        // A line that does not begin as Envoy's do belongs to the one before.
        if line.starts_with('[') {
            keeping = wanted(line);
        }
        if keeping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The end of a log, for messages.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines
        .iter()
        .skip(lines.len().saturating_sub(25))
        .copied()
        .collect::<Vec<_>>()
        .join("\n")
}

/// What Envoy says at the end, and what filters say before that. Lines look like
/// `[time][thread][level][component] [file:line] words`; a message of several lines shows the
/// configuration between its first and its last, and one of what cannot be parsed at its end: it
/// may hold secrets and is left out.
pub fn last_words(log: &str) -> String {
    let words = |line: &str| {
        let behind = line.starts_with('[').then(|| line.splitn(3, "] ").nth(2));
        let words = behind.flatten().unwrap_or(line);
        let words = words.split_once("): {").map_or(words, |(before, _)| before);
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut found: Vec<String> = Vec::new();
    let said = |line: &&str| is_of_filter(line) && !line.contains("[critical][main]");
    found.extend(log.lines().filter(said).map(words));
    let end: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("[critical][main]"))
        .filter(|line| !line.trim().is_empty())
        .collect();
    let first = end.first().copied().or_else(|| log.lines().last());
    for line in [first, end.last().copied()].into_iter().flatten() {
        let words = words(line);
        let words = words
            .rsplit_once("': ")
            .map_or(words.as_str(), |(_, words)| words);
        if !found.iter().any(|known| known == words) {
            found.push(words.to_owned());
        }
    }
    found.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_filters_is_told_from_envoys_own() {
        let log = "[2026-01-01][1][info][main] starting\n[2026][1][warning][wasm] [context.cc:1] wasm log a a a: first\nsecond\n[2026][1][info][main] end\n";
        assert_eq!(
            filter_lines(log),
            "[2026][1][warning][wasm] [context.cc:1] wasm log a a a: first\nsecond\n"
        );
    }

    #[test]
    fn the_last_words_hold_no_configuration() {
        let log = "[t][1][error][wasm] [source/x.cc:1] wasm log jwt_auth: issuers: is required\n\
                   [t][1][critical][main] [source/y.cc:2] error initializing configuration 'a.yaml': Proto constraint validation failed\n\
                   secret: hunter2\n: StatPrefix: value length must be at least 1\n\n";
        assert_eq!(
            last_words(log),
            "wasm log jwt_auth: issuers: is required; Proto constraint validation failed; : StatPrefix: value length must be at least 1"
        );
        let parsed = "[t][1][critical][main] [source/y.cc:2] error initializing configuration 'a.yaml': Unable to parse JSON as proto (port_value: number out of range): {\"secret\":\"[a] hunter2\"}\n";
        assert_eq!(
            last_words(parsed),
            "Unable to parse JSON as proto (port_value: number out of range"
        );
        let one = "[t][1][critical][main] [source/y.cc:2] error initializing configuration 'a.yaml': Unable to create Wasm plugin x\n";
        assert_eq!(last_words(one), "Unable to create Wasm plugin x");
        assert_eq!(last_words(""), "");
    }
}
