//! Secrets that their names tell, in text that arrives in pieces.

use super::*;

proptest! {
    #[test]
    fn secrets_are_read_in_pieces_as_in_the_whole(
        parts in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "password: ", "password=", "\"password\": \"", "'DB_PASSWORD', '", "Password (staging): ",
                "**Password:** ", "the password for the database is ", "my password is ", "mot de passe : ",
                "Contraseña: ", "<td>Password</td>\n  <td>", "key=\"password\" value=\"",
                "{\"name\": \"API_KEY\", \"value\": \"", "- name: DB_PASSWORD\n    value: ", "curl -u ann:",
                "Cookie: sid=", "IDENTIFIED BY '", "login ann password ", "--password ", "postgres://ann:",
                "https://example.org/", "?password=", "Authorization: Basic ", "Authorization: Bearer ",
            ]).prop_map(str::to_owned),
            prop::sample::select(vec![
                "Summer#2024", "P@ss#word1", "abc123", "#2024", "**Summer#2024**", "a&b=c#d1",
                "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW", "YWxhZGRpbjpvcGVuc2VzYW1lMQ==",
                "0f8fad5b-d9cb-469f-a165-70867728950e",
            ]).prop_map(str::to_owned),
            prop::sample::select(vec![
                " ", "\n", "\"", "'", ", ", "; ", "</td>", "&", "#", "@", ".", "`", "*", "\\\"", ")", ": ",
            ]).prop_map(str::to_owned),
            "[a-z]{1,8}", "[0-9]{1,9}", "[ ]{1,20}",
        ], 1..12),
        size in 1_usize..30,
    ) {
        let text = parts.concat();
        let ends = characters(&text);
        let pieces: Vec<String> = ends.chunks(size).map(<[&str]>::concat).collect();
        prop_assert_eq!(stream(pieces.iter().map(String::as_str)).0, whole(&text).0, "{}", text);
    }
}
/// Where a text is cut because it has grown too long, as much of a value may be a password as has
/// come.
#[test]
fn values_too_long_for_a_password_are_none_wherever_a_text_is_cut() {
    let long = "a1".repeat(1972);
    let text = format!("{long}password={long}DE89aaA0aaphone password: {long}");
    for cut in (3_900..4_200).step_by(7) {
        assert_eq!(stream([&text[..cut], &text[cut..]]).0, text, "{cut}");
    }
}
