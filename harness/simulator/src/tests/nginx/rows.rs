//! The table of what nginx does otherwise has 53 rows, and each has a test named after it.

/// Where these tests are.
const TESTS: [&str; 5] = [
    include_str!("../nginx.rs"),
    include_str!("bodies.rs"),
    include_str!("calls.rs"),
    include_str!("requests.rs"),
    include_str!("workers.rs"),
];

#[test]
fn every_row_has_a_test() {
    let lines = TESTS.iter().flat_map(|file| file.lines());
    let names = lines.filter_map(|line| line.strip_prefix("fn row"));
    let named: std::collections::BTreeSet<u8> = names
        .flat_map(|name| name.split('_').filter_map(|word| word.parse().ok()))
        .collect();
    let missing: Vec<u8> = (1..=53).filter(|row| !named.contains(row)).collect();
    assert!(missing.is_empty(), "no test for rows {missing:?}");
}
