//! Tests of detectors: what is found, and what is not.

use super::*;
use proptest::prelude::*;

mod beside;
mod lookalikes;
mod reads;
mod shortcuts;
mod tables;

fn found(text: &str) -> Vec<(&'static str, &str)> {
    labelled("", text)
}

fn labelled<'a>(label: &str, text: &'a str) -> Vec<(&'static str, &'a str)> {
    let findings = scan(text, 0, label, EntitySet::all());
    findings
        .into_iter()
        .map(|finding| (finding.entity.name(), &text[finding.span]))
        .collect()
}

/// Each text holds one finding, marked by guillemets, or none.
fn marked(entity: &str, table: &[&str]) {
    for row in table {
        let text = row.replace(['«', '»'], "");
        let expected: Vec<_> = row
            .split('«')
            .skip(1)
            .map(|rest| (entity, rest.split('»').next().unwrap()))
            .collect();
        let found = found(&text);
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn national_telephone_numbers_in_forms_of_their_own() {
    marked(
        "phone",
        &[
            "«8 (912) 345-67-89», «8(912)345-67-89» or «8-912-345-67-89»",
            "ligue «(11) 98765-4321» ou «(21)3456-7890»",
            "«138-1234-5678», «199-1234-5678».",
            "«06 12 34 56 78» «020 7946 0958» «0412 345 678»",
            // Without a word these have the form of other numbers.
            "612 345 678, 98765 43210, 13812345678, 0612345678, 030 123456, 89123456789, 138 1234 5678",
            "11 98765-4321, (11) 9876-54321, 128-1234-5678, 8-212-345-67-8, 138-1234-5678-90",
        ],
    );
}

/// Whole numbers that tables and serialisers spell with a fraction or an exponent.
#[test]
fn numbers_however_they_are_spelled() {
    let of = |entity, value| vec![(entity, value)];
    for (label, text, value) in [
        ("card", "4111111111111111.0", "4111111111111111.0"),
        ("card", "4.111111111111111E+15", "4.111111111111111E+15"),
        ("", "card 4111111111111111e0, x", "4111111111111111e0"),
        ("", "my card is 4111111111111111.00.", "4111111111111111.00"),
        (
            "",
            r#"{"card":4.111111111111111e15}"#,
            "4.111111111111111e15",
        ),
        (
            "",
            r#"{"a":1,"card": 0.4111111111111111e16 }"#,
            "0.4111111111111111e16",
        ),
        ("", r#"{"card":004111111111111111}"#, "004111111111111111"),
        (
            "",
            r#"{"cards":[5, 4111111111111111000e-3]}"#,
            "4111111111111111000e-3",
        ),
    ] {
        assert_eq!(labelled(label, text), of("card", value), "{label} {text}");
    }
    for (label, text, value) in [
        ("phone", "14155550132.0", "14155550132.0"),
        ("", "phone: 1.4155550132e10", "1.4155550132e10"),
        ("", r#"{"phone":4.155550132e9}"#, "4.155550132e9"),
    ] {
        assert_eq!(labelled(label, text), of("phone", value), "{label} {text}");
    }
    for (label, text, value) in [
        ("ssn", "308630237.0", "308630237.0"),
        ("", "my social is 3.08630237e8", "3.08630237e8"),
        ("t", "my social is 308630237", "308630237"),
    ] {
        assert_eq!(labelled(label, text), of("ssn", value), "{label} {text}");
    }
    for text in [
        "4111111111111111.0",
        "id 4.111111111111111e15",
        "card 4111111111111111.5",
        "card 4111111111111111.0.1",
        "card 4.111111111111111e15x",
        "card 4.111111111111112e15",
        "phone 4.1e-5",
        "social score 0.308630237",
        r#"{"data":[4.111111111111111e15, 1.0]}"#,
        r#"{"phone":4.155550132e-9}"#,
        r#"{"card_id":4.111111111111111e15}"#,
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    let columns = "name,card,ssn\nann,4111111111111111.0,308630237.0\nbob,,\n";
    assert_eq!(
        found(columns),
        [("card", "4111111111111111.0"), ("ssn", "308630237.0")]
    );
}

#[test]
fn emails() {
    marked(
        "email",
        &[
            "write to «ann.b+x@mail.example.co.uk».",
            "<«ann@example.com»>, «bob_1@example.org»;",
            "mailto:«ann@example.com»?subject=x",
            "'«o'brien@example.ie»'",
            "«jörg@bücher.example»",
            "«a@xn--d1acufc.xn--p1ai»",
            "{\\\"to\\\":\\\"x\\n«ann@example.com»\\\"}",
            "\\u0020«ann@example.com»",
            "«ann@example.com».123",
            "user=«ann@example.com»&x",
            "ann@localhost react@18.2.0 @ann @ann@x foo@ b@c. ann@-x.com",
        ],
    );
}

/// A tab divides cells; in a longer row of numbers, and behind a decimal comma, groups are none.
#[test]
fn numbers_of_tables_stay_apart() {
    for text in [
        "1,0039973515\t980,461",
        "1,0039973515 980,461",
        "2,0176123456 78 1,5",
        "236\t97\t8233",
        "415\t555\t2671",
        "4111\t1111\t1111\t1111",
        "0171\t1234567",
        "10.0\t.0.1",
        "14 236 97 8233 7",
        "1 2 236 97 8233",
        "236 97 8233 1 2",
        "12 415 555 2671 12",
        "3  12 415 555 2671  8",
        "165,755 279,07 65284941",
        "11,0428 400905 0,12156",
        "-6,05502 62653,9",
        "52712,696 10 5835 33,24",
        "0,8293469984185005;1 0,5179946229591563\t7",
        "0,8293469984185005",
        "3978 3675 6750 9258 1733 7493",
        "6729 9671 8209 1126 297 1557 1234",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    for (entity, row) in [
        ("ssn", "«236 97 8233», SSN: 1 2 «236 97 8233»"),
        ("ssn", "7\t«236-97-8233»\tann"),
        ("phone", "1\t«+1 415 555 2671»\t«0171 1234567»\t3"),
        ("phone", "1,«0171 1234567»,2 «415 555 2671» 4"),
        ("card", "0,«4111111111111111»,ann 1,«4111111111111111»"),
        (
            "card",
            "«4111 1111 1111 1111» «5500 0000 0000 0004» 12 27 123",
        ),
        ("card", "card 0,«4111111111111111»"),
    ] {
        marked(entity, &[row]);
    }
}

#[test]
fn a_number_may_go_on_behind_the_end_of_a_line() {
    marked(
        "card",
        &[
            "«4111 1111\n1111 1111»",
            "pay with «4111-1111-1111-\n1111»"
                .replace("-\n", "\n")
                .as_str(),
            "no. «4111\n1111\n1111\n1111» please, or «3714 496353\r\n98431».",
            "4111\n1111\n1111\n1111\n",
            "1234\n4111 1111\n1111 1111",
            "4111 1111\n1111 1111\n2222",
            "x 4111 1111\n1111 1112",
        ],
    );
    marked("iban", &["«DE89 3704\n0044 0532 0130 00»"]);
}

#[test]
fn phones() {
    marked(
        "phone",
        &[
            "«+14155550132» «+44 (20) 7123 4567»",
            "call «5550132», please",
            "«001-755-329-4431» or «0044 20 7123 4567»",
            "«(415) 555-0132» «415.555.0132» «1-415-555-0132x99»",
            "«02.27.96.63.08» «0348 2102744»",
            "fax: «96 228011»",
            "«96 228011» office",
            "9885 1152 9885 1152",
            "order number 12345678",
            "my number is «12345678»",
            "the number 7654321 is prime",
            "2024-11-21 and 21.11.2024, call 21/11/2024",
            "v1.2.3.4.5 1234567890 build 415-5-0132",
            "550e8400-e29b-41d4-a716-446655440000",
            "1700000000000 1700000000",
            "«+1\u{a0}415\u{2011}555\u{2011}0132»",
            "\\n«+14155550132»\\n",
            "(«+14155550132») «+247 62848» WhatsApp «7905220»",
            "手机 «13812345678»",
            "loss: 0.4147232143, .9957417845 -0.9957417845 0.012345678 0,9957417845",
            "cell count 2721329826, contact id 12345678, we reach 1500000 users",
            "+4.86220042,+9.9965305096 [+1.0447101440] lr=+6.82327753 2.5 +2 0.4147232143, +6.9641\t0.17%",
            "phone: «+1.7035555555», «+1.415.555.0132»",
            "48 0 13 51 87 41 32 and 0 13 51 87 41 32 7, but «0 800 123 456»",
            "28 02 2009 19 08 2021",
            "1,004.44 0.46687% .00497 0.00019169897 0.00 237.70306",
            "size 640 480 1024, model 539-645-6421, art. 04170 59937",
            "04 11 19 27 34 36 and 80 04 00 01 02 03",
            "phones sold: 1234567, fax pages 7654321, phone «7654321», phone works «7654321»",
            "df['phone_model'] # seed(198362449)",
        ],
    );
    assert_eq!(
        labelled("phoneNumber", "2813882583"),
        [("phone", "2813882583")]
    );
    assert_eq!(labelled("id", "2813882583"), []);
}

#[test]
fn cards() {
    marked(
        "card",
        &[
            "«4111111111111111» «4012-8888-8888-1881»  «4012 8888 8888 1881»",
            "«3782 822463 10005»,«371449635398431»",
            "4111111111111112 0000000000000000 1234567890123456",
            "x4111111111111111 4111111111111111x «4111111111111111»-1",
            "«4111 1111 1111 1111» 12/27",
            "«4111\u{a0}1111\u{a0}1111\u{a0}1111»",
            "卡号«4111111111111111»，",
            "«4111  1111  1111  1111» «4111—1111—1111—1111» «4111 - 1111 - 1111 - 1111»",
            "«4111-1111-1111-1111»-123 «4111111111111111»-«5500000000000004»",
            "cc«4111111111111111» card_«4111111111111111» %B«4111111111111111»^LEE/ANN^2712",
            "2335.846261804809 5870.2810831130373 «4111.1111.1111.1111»",
            "0.4111111111111111 order 4111111111111111 4965971813720",
        ],
    );
}

/// Two columns of digits have a check digit as often as one number has.
#[test]
fn cards_in_groups_that_no_card_is_printed_in() {
    marked(
        "card",
        &[
            "-4875.456875260 502243.468395644 409469.821687971 683091.6741657613",
            "605099 240406 4111.111111111111 41111 11111 111111 4111 11111 1111111",
            "card «411111 1111111111», card no «41111 11111 111111»",
            "«4242 4242 4242 4242 428» «4111.1111.1111.1111» «3056 930902 5904», «5018 0000 0009»",
        ],
    );
}

#[test]
fn social_security_numbers() {
    marked(
        "ssn",
        &[
            "«308-63-0237» «308 63 0237» «308.63.0237»",
            "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 078-05-1120 308-63.0237",
            "«308-63-0237»-1 1-308-63-0237 308630237",
            "my SSN is «308630237»",
            "SSN: «962-55-8843», SSN «784 - 61 - 6073», SS# «410787235», S.S.N. «410787235»",
            "SSN«308-63-0237»",
            "tax id «410787235»",
            "rev 777-53-9874, part 308-63-0237, lot #308-63-0237, employee «308-63-0237», item: «308-63-0237»",
            "security CUSIP 517577696, social reach 394383250",
        ],
    );
    assert_eq!(
        labelled("social_security", "308630237"),
        [("ssn", "308630237")]
    );
}

#[test]
fn bank_accounts() {
    marked(
        "iban",
        &[
            "«DE89370400440532013000» «DE89 3704 0044 0532 0130 00»,«de89370400440532013000»",
            "«AL47-2121-1009-0000-0002-3569-8741»",
            "«DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00» «DE89\u{202f}3704\u{202f}0044\u{202f}0532\u{202f}0130\u{202f}00»",
            "«DE89\t3704\t0044\t0532\t0130\t00» «DE89  3704  0044  0532  0130  00»",
            "«DE89.3704.0044.0532.0130.00» IBAN«DE89370400440532013000»",
            "be8692f9-97ee-46ed-da0f-820585103892 be5a1ba0d0c1f2e3 GB82-WEST1234-5698-7654-32",
            "DE89370400440532013001 XX89370400440532013000 DE8937040044053201300 xDE89370400440532013000",
        ],
    );
}

#[test]
fn addresses_of_the_network() {
    marked("mac", &["12:34:56 «aa:bb:cc:dd:ee:ff» ::"]);
    marked(
        "ip",
        &[
            "«192.168.0.1», «10.0.0.0/8» («::1») [«2001:db8::1»]:8080",
            "«fe80::1%eth0» «::ffff:10.0.0.1». src:«2001:db8::»",
            "256.1.1.1 1.2.3 1.2.3.4.5 01.2.3.4 std::cout a::b :: 12:34:56",
            "http://«127.0.0.1»:80/",
            "«10.0.0.1»-«10.0.0.9»",
            "(«203.0.113.77»)",
            "version 1.2.3.4, AssemblyVersion(\"1.0.0.0\"), section 5.2.16.7, 0.0.0.0, Chrome/120.0.0.0",
            "1:: 2:: arr[::2] x[::1] 8::4 26:05:45:08:97:b7:f1:c3",
        ],
    );
}

const AWS: &str = "AKIAIOSFODNN7EXAMPLE";

#[test]
fn credentials() {
    marked("aws_access_key", &[&format!("id=«{AWS}» x{AWS} {AWS}A")]);
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    marked(
        "aws_secret_key",
        &[&format!("aws_secret_access_key = «{secret}»"), secret],
    );
    assert_eq!(
        labelled("SecretAccessKey", secret),
        [("aws_secret_key", secret)]
    );
    let session = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQDx+/abcdefghijklmnop";
    for (text, length) in [
        (format!("x-amz-security-token: {session}=="), session.len()),
        (session.replace('/', "%2F"), session.len() + 22),
        (
            session.replace("IQoJb3JpZ2lu", "FwoGZXIvYXdz"),
            session.len(),
        ),
        (
            session.replace("IQoJb3JpZ2lu", "FQoGZXIvYXdz"),
            session.len(),
        ),
    ] {
        let found = found(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!((found[0].0, found[0].1.len()), ("aws_secret_key", length));
    }
    let forty = "a1B2".repeat(10);
    marked(
        "github_token",
        &[
            &format!("«ghp_{forty}» ghp_short xghp_{forty}"),
            &format!("«github_pat_{forty}_{forty}»"),
        ],
    );
    marked(
        "api_key",
        &[
            &format!("Bearer «sk-proj-{forty}» «sk-ant-api03-{forty}-AA»"),
            "sk-learn-is-a-very-long-name-of-a-package-2 task-1234567890123456789a",
            &format!("«sk_live_{forty}»"),
        ],
    );
    marked("slack_token", &[&format!("«xoxb-123456789012-{forty}»")]);
    marked(
        "jwt",
        &[
            "Bearer «eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl».",
            // `{ "alg":…`, `{\n  "alg":…`, `{\t"alg":…`, `{\r\n"alg":…`; an unsigned one
            "«eyAiYWxnIjogIkhTMjU2IiB9.eyAic3ViIjogImFubiIgfQ.c2lnbmF0dXJl» x",
            "x=«ewogICJhbGciOiAiSFMyNTYiCn0.ewogICJzdWIiOiAiYW5uIgp9.c2lnbmF0dXJl»",
            "«ewkiYWxnIjogIkhTMjU2In0.ewkic3ViIjoiYW5uIn0.c2lnbmF0dXJl»",
            "«ew0KImFsZyI6ICJIUzI1NiJ9.ew0KInN1YiI6ImFubiJ9.c2lnbmF0dXJl»",
            "«eyAiYWxnIjogIm5vbmUiIH0.eyAic3ViIjogImFubiIgfQ.»",
            "eyAiYWxnIjogIkhTMjU2IiB9 ewogICJhbGciOiAiSFMyNTYiCn0 eyAi.eyAi.eyAi",
            "«eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn» eyJhbGciOiJkaXIifQ eyJ.eyJ.eyJ",
        ],
    );
    marked(
        "private_key",
        &[
            "x «-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\n-----END RSA PRIVATE KEY-----» y",
            "«-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----»\"",
            "«-----BEGIN PRIVATE KEY-----\nMIIE»\n…",
            "> «-----BEGIN RSA PRIVATE KEY-----\n> MIIE\n> -----END RSA PRIVATE KEY-----» x",
            "# «-----BEGIN PRIVATE KEY-----\n# MIIE\n# -----END PRIVATE KEY-----» x",
            "k = \"«-----BEGIN PRIVATE KEY-----\\n\" +\n  \"MIIE\\n\" +\n  \"-----END PRIVATE KEY-----»\\n\";",
            "«-----BEGIN PRIVATE KEY-----<br>MIIE<br>-----END PRIVATE KEY-----»<br>",
            "«-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n=ab\n-----END PGP PRIVATE KEY BLOCK-----» x",
            "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
        ],
    );
}

#[test]
fn an_address_holds_the_number_in_it() {
    assert_eq!(
        found("415-555-0132@example.com"),
        [("email", "415-555-0132@example.com")]
    );
    assert_eq!(
        found("x.415-555-0132@example.com"),
        [("email", "x.415-555-0132@example.com")]
    );
}

#[test]
fn only_what_is_wanted_is_found() {
    let text = "ann@example.com 4111111111111111 10.0.0.1";
    for (wanted, expected) in [
        (Entity::Email, 0..15),
        (Entity::Card, 16..32),
        (Entity::Ip, 33..41),
    ] {
        let findings = scan(text, 0, "", [wanted].into_iter().collect());
        assert_eq!(
            findings
                .iter()
                .map(|finding| finding.span.clone())
                .collect::<Vec<_>>(),
            [expected]
        );
    }
}

/// Text dense in what the verifiers look at.
pub(crate) fn dense_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            " ", " ", "\n", "-", ".", ":", "@", "/", "(", ")", "+", "\\n", "\\", "\"", ",", "_", "'", "%", "é", "界", "\u{a0}", "x", "=", "\u{200b}", "４", "１", "＠", "%40", "&#64;", "&", "#", ";", "例え", "٤", "а", "І", "²", "④", "%2540", "&amp;#64;", "&amp;",
            "::", "<br>", "\" +\n\"", "> ", "secret ", "phone ", "call ", "ssn ", " office", "-Fax", " is my ", " (my ", "SSN", "card", "cell", "1111\n1111", "\r\n",
            "（", "［", "＞", "\\u003e", "secret ,", "name;", "password\n", "\t", "|", "https://", "://", "?", "界", "S3cret-pw9",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec![
            "ann", "example", "com", "ann@example.com", "4111 1111 1111 1111", "4111111111111111", "308-63-0237", "308630237",
            "DE89 3704 0044 0532 0130 00", "DE89", "GB82WEST12345698765432", "4111 1111", "4111", "1111", "(415) 555-0132", "+44 20 7123 4567", "415", "555", "0132", "10.0.0.1",
            "2001:db8::1", AWS, "AKIA", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "gһр_0123456789abcdefghijklmnopqrstuvwxyz",
            "АKIAIOSFODNN7EXAMPLE", "sk-proj-0123456789abcdefghij", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln", "eyJ", "-----BEGIN PRIVATE KEY-----",
            "MIIE", "-----END PRIVATE KEY-----", "---- BEGIN SSH2 PRIVATE KEY ----", "---- END SSH2 PRIVATE KEY ----", "-----BEGIN ", "---- ",
            "PuTTY-User-Key-File-3: ", "Private-MAC: 01ab\n", "Version: x\n", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n",
            "xoxb-", "the quick brown", "123456789012345|", "%7C", "mVNQM7zzxJ2fmORCAxcmXXNltC1", "AQVNfSoYTE-uPF2NcuoDSIKWOs7xCfaexX1cxfM1", "sc_ab123.cd12.acc-0123456789.", "password=", "password: ", "password is ", "api_key = \"", "Bearer ", "Basic ", "<password>", "postgres://app:", "abc123", "!", "$", "*",
            "3f2504e04f8911d39a0c0305e82c330112345678", "4111111111111111.0", "4.111111111111111e15",
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10", "7408122F1204159UTO<<<<<<<<<<<6", "A<",
        ]).prop_map(str::to_owned),
        2 => "[0-9]{1,6}",
        1 => "[A-Za-z0-9]{1,8}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().replace('\0', " "))
}

proptest! {
    #[test]
    fn findings_ascend_apart_and_on_character_boundaries(text in dense_text(), floor in any::<prop::sample::Index>()) {
        let floor = (0..=floor.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let mut at = floor;
        for finding in scan(&text, floor, "phone", EntitySet::all()) {
            prop_assert!(finding.span.start >= at && finding.span.start < finding.span.end);
            prop_assert!(text.get(finding.span.clone()).is_some());
            at = finding.span.end;
        }
    }
}

#[test]
fn of_a_long_label_the_end_is_read() {
    let long = "x ".repeat(10_000);
    assert_eq!(
        labelled(&format!("{long}phone number"), "2813882583"),
        [("phone", "2813882583")]
    );
    assert_eq!(labelled(&format!("phone number{long}"), "2813882583"), []);
}

/// Prefixes that nothing else has are enough; keys stand at the very start of a text, at its end
/// and inside quotes.
#[test]
fn credentials_need_no_digit_behind_an_unmistakable_prefix() {
    let letters = "AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQr";
    for (entity, key) in [
        ("api_key", format!("AIza{}", &letters[..35])),
        (
            "api_key",
            "AIzaoq3YztCnzPjaRa-GyuUbwCE7w0Cw_nDePXZ".to_owned(),
        ),
        ("api_key", format!("sk_live_{}", &letters[..24])),
        ("api_key", format!("sk_test_{}", &letters[..12])),
        ("api_key", format!("rk_test_{}", &letters[..24])),
        ("api_key", format!("hf_{}", &letters[..34])),
        ("api_key", format!("npm_{}", &letters[..36])),
        ("api_key", format!("glpat-{}", &letters[..20])),
        ("api_key", "glpat-CU4rKVnIC_qM769EyKfl".to_owned()),
        ("api_key", format!("glpat-{}.01.1a2b3c4d5", &letters[..27])),
        ("api_key", format!("gldt-{}", &letters[..20])),
        ("api_key", format!("sk-proj-{}", &letters[..24])),
        ("api_key", format!("sk-{}", &letters[..40])),
        ("github_token", format!("ghp_{}", &letters[..36])),
        ("slack_token", format!("xoxb-{}", &letters[..24])),
        ("slack_token", format!("xoxc-{}", &letters[..24])),
        (
            "slack_token",
            format!("xoxd-{}%2B{}", &letters[..12], &letters[..12]),
        ),
        ("slack_token", format!("xoxe.xoxp-1-{}", &letters[..24])),
        ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.".to_owned()),
    ] {
        for around in ["", " ", "\"", "x="] {
            let text = if around == "x=" {
                format!("x={key}")
            } else {
                format!("{around}{key}{around}")
            };
            assert_eq!(found(&text), [(entity, key.as_str())], "{text}");
        }
    }
    assert_eq!(
        found("sk-learn-is-a-name-of-a-package sk-some-very-long-kebab-case-name"),
        []
    );
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    assert_eq!(
        found(&format!("{AWS},{secret}")),
        [("aws_access_key", AWS), ("aws_secret_key", secret)]
    );
}
