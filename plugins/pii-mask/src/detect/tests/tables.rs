//! Secrets in tables.

use super::*;

#[test]
fn tables_of_secrets_may_stand_behind_other_lines() {
    let masked = |text: &str| {
        let mut masked = text.to_owned();
        for finding in scan(text, 0, "", EntitySet::all()).into_iter().rev() {
            masked.replace_range(finding.span, "*");
        }
        masked
    };
    for (text, expected) in [
        (
            "Here are the accounts:\nuser,password\nann,Summer#2024\n",
            "Here are the accounts:\nuser,password\nann,*\n",
        ),
        (
            "Look\nuser;password\nann;hunter2x",
            "Look\nuser;password\nann;*",
        ),
        ("x\npassword\n!00000", "x\npassword\n*"),
        (
            "#,user,password,,\n1,ann,Summer#2024,,\n",
            "#,user,password,,\n1,ann,*,,\n",
        ),
        (
            "name (full);e-mail/login;password\nAnn B;ab;Summer#2024\n",
            "name (full);e-mail/login;password\nAnn B;ab;*\n",
        ),
        (
            "Users:\n\n    user,password\n    ann,Summer#2024\n",
            "Users:\n\n    user,password\n    ann,*\n",
        ),
        (
            "Users:\n\n| user | password    |\n|------|:------------|\n| ann  | Summer#2024 |\n",
            "Users:\n\n| user | password    |\n|------|:------------|\n| ann  | * |\n",
        ),
        (
            "user,password\r\nann,Summer#2024\r\n",
            "user,password\r\nann,*\r\n",
        ),
        (
            "user, password\n\"ann\", \"Sum,mer#2024\"\nbob, \"Sum mer#2024\"\n",
            "user, password\n\"ann\", \"*\"\nbob, \"Sum mer#2024\"\n",
        ),
        (
            "id\tstreet\nJ.4111 1111 1111 1111 ",
            "id\tstreet\nJ.4111 1111 1111 1111 ",
        ),
        ("password\n!00000\nwords", "password\n*\nwords"),
        (
            "a user,his password\nis a thing, 4 you",
            "a user,his password\nis a thing, 4 you",
        ),
        // Code and prose.
        (
            "f(\n    password,\n    len_2(x),\n    y_3,\n)",
            "f(\n    password,\n    len_2(x),\n    y_3,\n)",
        ),
        (
            "f('joe', 'password')\ng('ann', 'abc123')\n",
            "f('joe', 'password')\ng('ann', 'abc123')\n",
        ),
        (
            "  | PrivateKey\n  | Curve25519PrivateKey1,\n",
            "  | PrivateKey\n  | Curve25519PrivateKey1,\n",
        ),
        (
            "# Initial Pass\n##############\n",
            "# Initial Pass\n##############\n",
        ),
        (
            "Why, password?\nann,Summer#2024",
            "Why, password?\nann,Summer#2024",
        ),
    ] {
        assert_eq!(masked(text), expected);
    }
}
