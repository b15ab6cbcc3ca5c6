//! Tables in text that arrives in pieces.

use super::*;

/// A cell, padded as people pad them.
fn cell() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("Summer#2024".to_owned()),
        Just("\"Sum,mer#2024\"".to_owned()),
        Just("\"Sum\"\"mer#2024\"".to_owned()),
        Just("S3cret=pw9".to_owned()),
        Just("password".to_owned()),
        Just("phone".to_owned()),
        Just("id".to_owned()),
        Just("415 555 0132".to_owned()),
        Just("4111111111111111".to_owned()),
        Just("ann@example.com".to_owned()),
        "[-:]{0,5}",
        "[a-z0-9#\"é]{0,12}",
        "[!-~]{100,140}",
    ];
    let padding = || {
        prop_oneof![
            8 => "[ ]{0,3}",
            1 => "[ \t]{0,3}",
            1 => "[ ]{90,140}",
            1 => "[ ]{480,520}",
        ]
    };
    (padding(), value, padding()).prop_map(|(left, value, right)| left + &value + &right)
}

proptest! {
    #[test]
    fn padded_cells_are_read_in_pieces_as_in_the_whole(
        separator in prop::sample::select(vec![",", ";", "\t", "|"]),
        at_ends in any::<bool>(),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        rows in prop::collection::vec(prop::collection::vec(cell(), 2..4), 1..6),
        size in 1_usize..30,
    ) {
        let outer = if at_ends { separator } else { "" };
        let row = |cells: &Vec<String>| [outer, &cells.join(separator), outer, end].concat();
        let names = ["| who ", "| password |", "|--|--|", "who,password,phone", "who;\"password\""];
        for names in names {
            let text = names.replace(['|', ',', ';'], separator) + end
                + &rows.iter().map(row).collect::<String>();
            let ends = characters(&text);
            let pieces: Vec<String> = ends.chunks(size).map(<[&str]>::concat).collect();
            prop_assert_eq!(stream(pieces.iter().map(String::as_str)), whole(&text), "{}", text);
        }
    }
}
