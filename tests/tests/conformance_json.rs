//! `modelgate_kit::json` against JSONTestSuite: what every parser must accept (`y_`) and must
//! refuse (`n_`), and what is left open (`i_`), where our choice is written down here.

use modelgate_kit::json::{self, DuplicateMembers, Limits, NonFinite};
use modelgate_tests::oracles;
use std::fs;
use std::path::Path;

/// The open cases that we accept: numbers of any size (we do not convert them) and lone surrogate
/// escapes (grammatical). All other open cases are refused: bytes that are not UTF-8, a byte order
/// mark, 500 levels.
const OPEN_AND_ACCEPTED: [&str; 20] = [
    "i_number_double_huge_neg_exp.json",
    "i_number_huge_exp.json",
    "i_number_neg_int_huge_exp.json",
    "i_number_pos_double_huge_exp.json",
    "i_number_real_neg_overflow.json",
    "i_number_real_pos_overflow.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
    "i_object_key_lone_2nd_surrogate.json",
    "i_string_1st_surrogate_but_2nd_missing.json",
    "i_string_1st_valid_surrogate_2nd_invalid.json",
    "i_string_incomplete_surrogate_and_escape_valid.json",
    "i_string_incomplete_surrogate_pair.json",
    "i_string_incomplete_surrogates_escape_valid.json",
    "i_string_invalid_lonely_surrogate.json",
    "i_string_invalid_surrogate.json",
    "i_string_inverted_surrogates_U+1D11E.json",
    "i_string_lone_second_surrogate.json",
];

#[test]
fn the_whole_suite_is_judged_as_it_says() {
    if let Some(suite) = oracles::recorded("json/JSONTestSuite/test_parsing") {
        judge(&suite);
    }
}

#[test]
fn the_suite_in_the_package_of_another_parser_is_judged_as_it_says() {
    if let Some(suite) = oracles::in_crate("actson", "tests/json_test_suite/test_parsing") {
        judge(&suite);
    }
}

fn judge(suite: &Path) {
    let (mut judged, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(suite).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let document = fs::read(&path).unwrap();
        let verdict = json::check(&document, Limits::default());
        let wanted = match name.as_bytes()[0] {
            b'y' => true,
            b'n' => false,
            _ => OPEN_AND_ACCEPTED.contains(&name.as_str()),
        };
        judged += 1;
        if verdict.is_ok() != wanted {
            wrong.push(format!("{name}: {verdict:?}"));
        }
        // The other settings must hold their ground too.
        let lenient = Limits {
            duplicate_members: DuplicateMembers::Refuse,
            non_finite: NonFinite::Accept,
            ..Limits::default()
        };
        let refused_duplicate = verdict.is_ok() && json::check(&document, lenient).is_err();
        let names_duplicates = name.starts_with("y_object_duplicated_key");
        if refused_duplicate != names_duplicates {
            wrong.push(format!("{name}: duplicate members"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(judged, 318, "the suite's number of files");
}
