//! Tests of names and addresses.

use super::*;

fn found(text: &str, label: &str) -> Vec<(&'static str, String)> {
    let wanted = Entity::ASKED.into_iter().collect();
    find(text, 0, label, wanted)
        .into_iter()
        .map(|finding| (finding.entity.name(), text[finding.span].to_owned()))
        .collect()
}

fn persons(text: &str) -> Vec<String> {
    let all = found(text, "").into_iter();
    all.filter(|(entity, _)| *entity == "person")
        .map(|(_, value)| value)
        .collect()
}

fn streets(text: &str) -> Vec<String> {
    let all = found(text, "").into_iter();
    all.filter(|(entity, _)| *entity == "street_address")
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn names_are_found_by_titles_greetings_phrases_and_known_words() {
    let mut wrong = Vec::new();
    for (text, names) in [
        ("I spoke with Anna Meier today.", &["Anna Meier"][..]),
        (
            "Ask Jean-Luc Picard, or Anne-Marie O'Brien.",
            &["Jean-Luc Picard", "Anne-Marie O'Brien"],
        ),
        ("Maria de la Cruz's letter", &["Maria de la Cruz"]),
        (
            "Vincent van Gogh and Ludwig van Beethoven",
            &["Vincent van Gogh", "Ludwig van Beethoven"],
        ),
        (
            "John F. Kennedy, J. Smith, J.R. Miller",
            &["John F. Kennedy", "J. Smith", "J.R. Miller"],
        ),
        ("JOHN SMITH", &["JOHN SMITH"]),
        (
            "Mr. Xyzzy and Mrs Van der Plugh",
            &["Xyzzy", "Van der Plugh"],
        ),
        ("Dr. Xyzzy, Prof. Dr. Plugh", &["Xyzzy", "Plugh"]),
        ("Dr.Xyzzy", &["Xyzzy"]),
        (
            "Herr Xyzzy und Frau Dr. Plugh-Meier",
            &["Xyzzy", "Plugh-Meier"],
        ),
        ("Mme Xyzzy, M. Dupont", &["Xyzzy", "M. Dupont"]),
        ("el señor Xyzzy y la Sra. Plugh", &["Xyzzy", "Plugh"]),
        ("il Sig. Xyzzy e la Sig.ra Plugh", &["Xyzzy", "Plugh"]),
        (
            "mevrouw de Xyzzy en dhr. van den Plugh",
            &["de Xyzzy", "van den Plugh"],
        ),
        ("Dear Xyzzy,\nthank you", &["Xyzzy"]),
        ("Dear Ms. Xyzzy Plugh,", &["Xyzzy Plugh"]),
        ("Liebe Xyzzy,", &["Xyzzy"]),
        ("Hi Anna, how are you?", &["Anna"]),
        ("My name is Xyzzy Plugh and I", &["Xyzzy Plugh"]),
        ("Ich heiße Xyzzy.", &["Xyzzy"]),
        ("Je m'appelle Xyzzy Plugh.", &["Xyzzy Plugh"]),
        ("Me llamo Xyzzy", &["Xyzzy"]),
        ("Mi chiamo Xyzzy", &["Xyzzy"]),
        ("O meu nome é Xyzzy", &["Xyzzy"]),
        ("Ik heet Xyzzy", &["Xyzzy"]),
        ("Best regards,\nXyzzy Plugh", &["Xyzzy Plugh"]),
        (
            "Mit freundlichen Grüßen\n\nXyzzy Plugh\nCEO",
            &["Xyzzy Plugh"],
        ),
        ("Cordialement,\\nXyzzy Plugh\\n", &["Xyzzy Plugh"]),
        ("The patient Xyzzy Plugh was seen.", &["Xyzzy Plugh"]),
        ("Full name: Xyzzy Plugh\n", &["Xyzzy Plugh"]),
        (
            "{\"first_name\": \"Xyzzy\", \"lastName\": \"Plugh\"}",
            &["Xyzzy", "Plugh"],
        ),
        ("<surname>Xyzzy</surname>", &["Xyzzy"]),
        ("Name: Anna", &["Anna"]),
        ("Smith, John", &["Smith, John"]),
        (
            "Will Smith and Grant Miller",
            &["Will Smith", "Grant Miller"],
        ),
        ("An\u{ad}na Mei\u{200b}er", &["An\u{ad}na Mei\u{200b}er"]),
    ] {
        let all = persons(text);
        if all != names {
            wrong.push(format!("{all:?} in {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_only_looks_like_a_name_is_none() {
    let mut wrong = Vec::new();
    for text in [
        "April is warm. May comes, June follows.",
        "We flew from Paris to Florence, Charlotte and Austin.",
        "Morgan Stanley and Johnson & Johnson, Mercedes-Benz",
        "Will you mark it? Mark it. Grant access. Rose wine.",
        "Ask Claude, Gemini, Llama or Mistral Large.",
        "Victoria Station, Jordan River, Santa Maria, San Antonio",
        "Virginia Beach, Carnegie Mellon University, Marie Curie Institute",
        "class JohnSmith extends Anna_Meier { Maria.Rossi(); }",
        "Dear Customer, Dear Sir or Madam, Dear Hiring Team, Hello World",
        "Best regards,\nThe Team",
        "name: Run Tests\nname: Build Docs",
        "https://example.com/Anna/Meier anna@example.com",
        "GRANT SELECT ON DATABASE TO PUBLIC",
        "I Love New York",
        "Monday Tuesday, The Quick Brown Fox",
        "Hi there, Hello everyone",
        "Thank You Note, User Guide, Max Retries",
        "Julia Language, Jupyter Notebook, Maven Central",
        "Dr. No. The doctor said no. Don't go. Mr",
    ] {
        wrong.extend(persons(text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn addresses_are_found_in_the_order_of_each_country() {
    let mut wrong = Vec::new();
    for (text, address) in [
        (
            "at 1600 Pennsylvania Avenue NW, Washington, DC 20500 now",
            "1600 Pennsylvania Avenue NW, Washington, DC 20500",
        ),
        (
            "221B Baker Street, London NW1 6XE.",
            "221B Baker Street, London NW1 6XE",
        ),
        ("350 5th Ave", ""),
        (
            "12 Main St., Apt. 4B, Springfield, IL 62701-1234",
            "12 Main St., Apt. 4B, Springfield, IL 62701-1234",
        ),
        (
            "742 Evergreen Terrace\nSpringfield, OR 97477",
            "742 Evergreen Terrace\nSpringfield, OR 97477",
        ),
        ("123 Oak Knolls Suite 200", "123 Oak Knolls Suite 200"),
        ("I live at 5 Smith Forge", "5 Smith Forge"),
        (
            "Hauptstraße 12, 10115 Berlin",
            "Hauptstraße 12, 10115 Berlin",
        ),
        ("in der Goethestr. 5a wohnt", "Goethestr. 5a"),
        ("Berliner Straße 5-7", "Berliner Straße 5-7"),
        (
            "Am Alten Markt 7, D-18055 Rostock",
            "Am Alten Markt 7, D-18055 Rostock",
        ),
        ("Unter den Linden 77", "Unter den Linden 77"),
        (
            "12, rue de la Paix, 75002 Paris",
            "12, rue de la Paix, 75002 Paris",
        ),
        ("5 bis avenue Victor Hugo", "5 bis avenue Victor Hugo"),
        ("8 rue du 8 Mai 1945", "8 rue du 8 Mai"),
        (
            "Calle Mayor 5, 2º dcha., 28013 Madrid",
            "Calle Mayor 5, 2º dcha., 28013 Madrid",
        ),
        (
            "Avda. de la Constitución, nº 12",
            "Avda. de la Constitución, nº 12",
        ),
        ("C/ Alcalá, 42", ""),
        ("Via Roma 1, 00184 Roma (RM)", "Via Roma 1, 00184 Roma (RM)"),
        ("Piazza San Marco, 3", "Piazza San Marco, 3"),
        (
            "Rua Augusta, nº 12, 1100-053 Lisboa",
            "Rua Augusta, nº 12, 1100-053 Lisboa",
        ),
        (
            "Keizersgracht 123-A, 1015 CJ Amsterdam",
            "Keizersgracht 123-A, 1015 CJ Amsterdam",
        ),
        ("Lange Laan 4", "Lange Laan 4"),
        (
            "P.O. Box 123, Springfield, IL 62701",
            "P.O. Box 123, Springfield, IL 62701",
        ),
        ("PO Box 4567", "PO Box 4567"),
        ("Postfach 12 34 56", "Postfach 12 34 56"),
        (
            "10 Rideau Street, Ottawa, ON K1N 9J1",
            "10 Rideau Street, Ottawa, ON K1N 9J1",
        ),
    ] {
        let wanted: Vec<_> = Some(address.to_owned())
            .filter(|one| !one.is_empty())
            .into_iter()
            .collect();
        let all = streets(text);
        if all != wanted {
            wrong.push(format!("{all:?} in {text:?}"));
        }
    }
    for text in [
        "In 2024 The Company grew 12 Percent. 3 Main Points, 10 Best Ways",
        "Engineering 101, Monitoring 2, Version 3 of Drive 4",
        "Chapter 12 The Road, 5 New Features, 2 Open Fields",
        "avenue of approach 5, via email 3 times, place 1",
        "127.0.0.1:8080 and 12:30 Main, 3.5 Main Street.js",
    ] {
        wrong.extend(streets(text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn values_of_members_are_what_their_name_says() {
    let mut wrong = Vec::new();
    for (label, text, entity) in [
        ("first_name", "xyzzy", "person"),
        ("lastName", "van der Plugh", "person"),
        ("Nachname", "Plugh", "person"),
        ("prénom", "Xyzzy", "person"),
        ("patient_name", "Xyzzy Plugh", "person"),
        ("customer", "Xyzzy Plugh", "person"),
        ("name", "Anna", "person"),
        ("full_name", "伊藤 太郎", "person"),
        ("address", "Xyzzy 12, Plugh", "street_address"),
        ("shipping_address", "5 Smith Forge\nXyzzy", "street_address"),
        ("street", "Plugh Lane", "street_address"),
        ("Anschrift", "Xyzzy 5", "street_address"),
        ("name", "get_weather", ""),
        ("name", "gpt-4", ""),
        ("name", "Paris", ""),
        ("file_name", "Anna", ""),
        ("first_name", "string", ""),
        ("product_name", "Rose Garden", ""),
        ("email_address", "Xyzzy 12 Plugh", ""),
        ("address", "10.0.0.1:80", ""),
        ("address", "0x12ab cd", ""),
        ("customer", "Acme Inc", ""),
    ] {
        let all = found(text, label);
        let expected: Vec<_> = Some((entity, text.to_owned()))
            .filter(|_| !entity.is_empty())
            .into_iter()
            .collect();
        if all != expected {
            wrong.push(format!("{all:?} in {label:?}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let table = "id,Name,first_name,address\n1,x,xyzzy,\"Plugh 5, Foo\"\n2,y,bar,Baz 7\n";
    assert_eq!(
        found(table, "")
            .into_iter()
            .map(|(_, value)| value)
            .collect::<Vec<_>>(),
        ["xyzzy", "Plugh 5, Foo", "bar", "Baz 7"]
    );
}
