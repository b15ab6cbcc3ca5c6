//! Text that reads otherwise than it is written.

use super::*;

/// Text is also scanned as it reads.
#[test]
fn what_nobody_sees_hides_nothing() {
    marked(
        "card",
        &[
            "«4111\u{200b}1111\u{200b}1111\u{200b}1111» «4111\u{ad}111111111111» \u{feff}«4111111111111111»\u{feff}",
            "カード番号：«４１１１１１１１１１１１１１１１»です «４１１１-１１１１-１１１１-１１１１»",
            "«④①①①①①①①①①①①①①①①» «⁴¹¹¹-¹¹¹¹-¹¹¹¹-¹¹¹¹» «₄₁₁₁₁₁₁₁₁₁₁₁₁₁₁₁» «⑷⑴⑴⑴ ⑴⑴⑴⑴ ⑴⑴⑴⑴ ⑴⑴⑴⑴»",
            "①②③④⑤⑥⑦⑧⑨⑩ 10⁻¹² m² E=mc² x₁₀x₁₁ 1¹2²3³4⁴5⁵6⁶7⁷8⁸ 2²⁰¹⁵ «4111111111111111» ⑴ see ⁴¹²",
            "«4\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}1\u{fe0f}\u{20e3}111111111111»",
            "«٤١١١١١١١١١١١١١١١» «४१११-११११-११११-११११»",
        ],
    );
    marked(
        "ssn",
        &["«308-\u{2060}63-0237» «３０８－６３－０２３７» my\u{200b} SSN is «308\u{200b}630237»"],
    );
    marked(
        "phone",
        &["«+1\u{200b}4155550132» «＋14155550132» call «555\u{200c}0132»"],
    );
    marked(
        "iban",
        &["«DE89\u{200b}370400440532013000» «ＤＥ89 3704 0044 0532 0130 00»"],
    );
    marked(
        "email",
        &[
            "«ann\u{200b}@example\u{200b}.com», «ann＠example.org» «ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ»",
            "https://x.example/?e=«ann.lee%40example.org»&x=%40types%2Fnode, %40angular.io 100%40 a%40b",
            "<a href=\"mailto:«jane&#64;acme.io»\">«jane.doe&#x40;acme.co.uk»</a>, «jane&#0064;acme.io»; «jane&commat;acme.io»&amp;x",
            "?next=%2Fx%3Fe=«ann.lee%2540example.org»&y «ann%252540example.org» %2540types x%25 40 a%254b.io",
            "&lt;«jane&amp;#64;acme.io»&gt; «jane&amp;amp;commat;acme.io» a&amp;b.com a&amp;#640;b.com",
            "«\u{1d41a}\u{1d427}\u{1d427}@example.org» «ⓐⓝⓝ@example.org» «аnn@exаmple.соm» «ann@εxample.org»",
            "x&#65;acme.io x&#640;acme.io x&amp;acme.io a&#64;b &#64;acme.io x#64;acme.io x&commat acme.io; x;40;acme.io",
            "jane=40acme.io width=40em.foo ?s=40acme.io jane(at)acme.io &#106;&#97;&#64;acme.io",
            "«user@例え.jp», «user@例え.jp»です «user@한국.한국», 请联系«ann@example.com»谢谢 abc@公司.谢谢",
        ],
    );
    marked("ip", &["«10.0\u{200b}.0.1»"]);
}

/// As evaders and homoglyph generators write them, and words of languages that have such letters.
#[test]
fn letters_that_look_alike_hide_no_key() {
    let tail = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (entity, key) in [
        ("github_token", format!("gh\u{440}_{tail}")),
        ("github_token", format!("ghp_\u{430}{}", &tail[1..])),
        (
            "github_token",
            format!("ghp_{}", tail.replace('o', "\u{43e}\u{200b}")),
        ),
        ("aws_access_key", "\u{410}KIAIOSFODNN7EXAMPLE".to_owned()),
        (
            "aws_access_key",
            "AK\u{406}AIOSFODNN7EX\u{391}MPLE".to_owned(),
        ),
        (
            "api_key",
            format!("sk-proj-{}", tail.replace('c', "\u{441}")),
        ),
        (
            "api_key",
            format!("sk_live_{}", tail.replace('x', "\u{445}")),
        ),
        ("slack_token", format!("x\u{43e}xb-123456789012-{tail}")),
        (
            "jwt",
            "\u{435}yJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln".to_owned(),
        ),
        // Without width in its middle.
        ("github_token", format!("ghp_abcdef\u{200b}{}", &tail[6..])),
        ("api_key", format!("sk-\u{2060}proj-{tail}")),
        (
            "aws_access_key",
            "AKIA\u{ad}IOSFODNN7\u{feff}EXAMPLE".to_owned(),
        ),
    ] {
        let text = format!("ключ: {key} тут");
        assert_eq!(found(&text), [(entity, key.as_str())], "{text}");
    }
    for text in [
        "на iPhone15х и Windows-системах, АКІА в2024году",
        "sk-обыкновенноедлинноесловоа1 ghp_короткоа1",
        "РАКЕТА_НОСИТЕЛЬ_А1 Т1000 νομοσ1 κόσμος2",
        "токен_xoxb-не-токена1 sk-прое-а1а2",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}
