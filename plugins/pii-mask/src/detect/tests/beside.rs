//! What stands beside or above a value, and addresses in other scripts.

use super::*;

#[test]
fn cards_side_by_side_are_two() {
    marked(
        "card",
        &[
            "«4111111111111111» «5555555555554444»",
            "«4111 1111 1111 1111» «5555 5555 5555 4444»",
            "«4111 1111 1111 1111» «5555 5555 5555 4444» «4012 8888 8888 1881»",
            "«3782 822463 10005» «4111 1111 1111 1111»",
            "«4111 1111 1111 1111» «3782 822463 10005»",
            "«4111111111111111» «378282246310005»",
            "cards: «4111-1111-1111-1111» «5555-5555-5555-4444».",
            "4111 1111 1111 1111 3782 822463 10006",
        ],
    );
}

const SECRET: &str = "wJalrXUtnFEMIaK7MDENGabPxRfiCYEXAMPLEKEY";

#[test]
fn a_secret_key_may_stand_before_what_names_it() {
    assert_eq!(SECRET.len(), 40);
    for (text, is) in [
        (format!("{SECRET},AKIAIOSFODNN7EXAMPLE"), true),
        (format!("{SECRET}\nASIAIOSFODNN7EXAMPLE"), true),
        (format!("{SECRET} is my aws secret"), true),
        (format!("{SECRET} # secret key"), true),
        (
            format!("{SECRET}{}AKIAIOSFODNN7EXAMPLE", " ".repeat(97)),
            false,
        ),
        (format!("{SECRET}\nsecret: no"), false),
        (format!("{SECRET}, AKIAIOSFODNN7"), false),
        (format!("{SECRET}a,AKIAIOSFODNN7EXAMPLE"), false),
        (format!("digest {SECRET} of it"), false),
    ] {
        let secrets = found(&text);
        let has = secrets.contains(&("aws_secret_key", SECRET));
        assert_eq!(has, is, "{text}: {secrets:?}");
    }
}

#[test]
fn what_may_be_a_secret_key_is_seen_wherever_it_stands() {
    for before in 0..85 {
        for after in [0, 1, 60] {
            let text = format!("{}{SECRET}{}", " ".repeat(before), ",".repeat(after));
            assert!(secret::may_be_aws_secret(text.as_bytes()), "{before}");
            let longer = format!("{}{SECRET}x", " ".repeat(before));
            assert!(!secret::may_be_aws_secret(longer.as_bytes()), "{before}");
        }
    }
}

#[test]
fn a_column_is_called_by_the_line_of_names() {
    let ssn = |text: &str| {
        found(text)
            .into_iter()
            .map(|(entity, value)| format!("{entity} {value}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let many: String = (0..60)
        .map(|row| format!("person {row},30863{row:02}37,4155550{row:02},x\n"))
        .collect();
    let out = ssn(&format!("name,ssn,phone,note\n{many}"));
    assert_eq!(out.matches("ssn ").count(), 60, "{out}");
    assert_eq!(out.matches("phone ").count(), 60, "{out}");
    for (text, expected) in [
        (
            "ssn,phone,email\n308630237,4155550,ann@example.com\n",
            "ssn 308630237; phone 4155550; email ann@example.com",
        ),
        (
            "id;price;ssn\r\n1000001;9.99;308630237\r\n",
            "ssn 308630237",
        ),
        ("phone\tname\n\"612 345 678\"\tann\n", "phone 612 345 678"),
        (
            "\"Name\",\"Tax ID\"\n\"Lee, Ann\",\"962-55-8843\"\n",
            "ssn 962-55-8843",
        ),
        (
            "Here:\n\n| name | ssn |\n|---|---|\n| ann | 308630237 |\n",
            "ssn 308630237",
        ),
        ("name,card\nann,4111111111119\n", "card 4111111111119"),
        // An id is no card, as in JSON.
        ("user_id,price\n4111111111111111,7\n", ""),
        ("id,price,count\n308630237,4155550132,1234567\n", ""),
        (
            "ssn,name\n308630237,ann\n\nThis was all that there is of them in the file.\n308630237,x\n",
            "ssn 308630237",
        ),
    ] {
        assert_eq!(ssn(text), expected, "{text}");
    }
}

#[test]
fn groups_stand_apart_by_spaces_and_dashes_of_every_kind() {
    for between in [
        " ", "\u{a0}", "\u{2002}", "\u{2003}", "\u{2005}", "\u{2009}", "\u{202f}", "\u{205f}",
        "\u{3000}", "-", "\u{2011}", "\u{2013}", "\u{2212}", "\u{ff0d}",
    ] {
        let card = ["4111"; 1].into_iter().chain(["1111"; 3]);
        let card = card.collect::<Vec<_>>().join(between);
        marked("card", &[format!("see «{card}» now").as_str()]);
        let iban = ["GB29", "NWBK", "6016", "1331", "9268", "19"].join(between);
        marked("iban", &[format!("see «{iban}» now").as_str()]);
        let ssn = ["219", "09", "9998"].join(between);
        marked("ssn", &[format!("ssn «{ssn}» now").as_str()]);
    }
    marked(
        "card",
        &["見て «４１１１\u{3000}１１１１\u{3000}１１１１\u{3000}１１１１»。"],
    );
}

#[test]
fn values_with_a_slash_between_are_two() {
    marked("ssn", &["«219-09-9998»/«219-09-9997»"]);
    marked(
        "phone",
        &["«415-555-0132»/«415-555-0133»", "«(415) 555-0132»/0133"],
    );
    marked(
        "ip",
        &[
            "«10.0.0.1»/«10.0.0.2»",
            "«10.0.0.0/8»",
            "«10.0.0.1/24»-«10.0.0.9/24»",
        ],
    );
    marked(
        "card",
        &[
            "«4111-1111-1111-1111»/«5500-0000-0000-0004»",
            "pos 6137/6700/4575",
            "card «6137/6700/4575»",
        ],
    );
    marked("phone", &["rev 469-790-1372", "revision 469-790-1372"]);
}

#[test]
fn addresses_in_scripts_without_spaces() {
    marked(
        "email",
        &[
            "«伊藤@example.co.jp»",
            "メールは«伊藤@example.co.jp»です",
            "住所: «さくら@example.jp»",
            "«芳.朱92@mail.com»",
            "«朱92@mail.com»",
            "请联系ann@example.com"
                .replace("ann@example.com", "«ann@example.com»")
                .as_str(),
            "我的邮箱是«伊藤@例え.jp»",
            "邮箱«123456@qq.com»",
            "«user@例え.みんな» と",
            "«홍길동@example.kr»",
            "«สมชาย@example.co.th»",
            "«राम@example.in»",
            "«иван.петров@пример.рф»",
            "«محمد@example.com»",
            "价格@伊藤",
        ],
    );
}
