//! Tests of plates, beside the words of seven languages and by themselves under a name.

use super::super::super::{EntitySet, scan};
use super::*;

fn found(label: &str, text: &str) -> Vec<String> {
    let found = scan(text, 0, label, EntitySet::all()).into_iter();
    let plates = found.filter(|finding| finding.entity == Entity::LicensePlate);
    plates
        .map(|finding| text[finding.span].to_owned())
        .collect()
}

#[test]
fn plates_of_many_countries_are_found_beside_their_words() {
    for (text, plate) in [
        ("license plate: AB12 CDE", "AB12 CDE"),
        ("registration number LD68 XYZ", "LD68 XYZ"),
        ("vehicle registration: ABC 123D, red", "ABC 123D"),
        ("His plate number was ABC-1234 (Texas)", "ABC-1234"),
        ("the license plate ABC 1234 in New York", "ABC 1234"),
        ("license plate 8ABC 123", "8ABC 123"),
        ("Kennzeichen B-MW 1234", "B-MW 1234"),
        ("Kennzeichen: B MW 1234", "B MW 1234"),
        ("Das Nummernschild lautet HH-XY 99E.", "HH-XY 99E"),
        ("Mein Autokennzeichen: MÜ-LL 4711", "MÜ-LL 4711"),
        ("Kennzeichen W-12345 A", "W-12345 A"),
        ("Kontrollschild: ZH-123 456", "ZH-123 456"),
        ("immatriculation AB-123-CD", "AB-123-CD"),
        ("Plaque d'immatriculation : AB 123 CD", "AB 123 CD"),
        ("véhicule immatriculé 1234 AB 75", "1234 AB 75"),
        ("La matrícula del coche es 1234-BCD.", "1234-BCD"),
        ("matrícula M-1234-AB", "M-1234-AB"),
        ("targa AB 123 CD", "AB 123 CD"),
        ("kenteken 12-AB-34", "12-AB-34"),
        ("kenteken: G-123-BB", "G-123-BB"),
        ("matrícula AA-12-34 (Portugal)", "AA-12-34"),
        ("matrícula AA 12 BB", "AA 12 BB"),
        ("A placa do carro é ABC-1D23", "ABC-1D23"),
        ("placas ABC-123-A", "ABC-123-A"),
        ("nummerplaat 1-ABC-123", "1-ABC-123"),
        ("rego ABC 123", "ABC 123"),
        ("registration plate KA 05 MN 1234", "KA 05 MN 1234"),
        ("numer rejestracyjny WX 12345", "WX 12345"),
        ("registreringsnummer ABC 12D", "ABC 12D"),
    ] {
        assert_eq!(found("", text), [plate], "{text}");
    }
}

#[test]
fn a_name_is_enough_for_any_groups() {
    for (label, plate) in [
        ("license_plate", "A1 BCD"),
        ("numberPlate", "ABC 123D"),
        ("Kennzeichen", "K-A 1"),
        ("matricula", "1234 BCD"),
        ("plate_number", "123 ABC"),
    ] {
        assert_eq!(found(label, plate), [plate], "{label}");
        let table = format!("id\t{label}\n1\t{plate}\n2\t{plate}\n");
        assert_eq!(found("", &table), [plate, plate], "{table}");
        assert_eq!(found("note", plate), [""; 0], "{plate}");
    }
}

#[test]
fn what_else_has_letters_and_digits_is_none() {
    for text in [
        "model number AB12 CDE, part number AB-123-CD, room B-12 and version AB 1.2.3",
        "1. e4 e5 2. NF3 NC6 with 0xAB12CDE",
        "number plates of 12 cars, name plate IP 65",
        "the base plate ISO 9001, a steel plate S235 JR",
        "license plate recognition in RFC 1234 with 10 GB",
        "matrícula 2023 UNAM, matrícula 1234 ABC",
        "la placa base ASUS B450",
        "Porsche Targa 911 GTS",
        "Kennzeichen der Norm DIN 1234",
        "number plate size 520 MM",
    ] {
        assert_eq!(found("", text), [""; 0], "{text}");
    }
}
