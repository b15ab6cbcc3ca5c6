//! What has the form of telephone numbers and is something else, as public code and data have it.

use super::*;

#[test]
fn numbers_of_code_and_data_are_no_telephones() {
    for text in [
        "var = self.TEXT[500-150:]",
        "call +10011010010 now",
        "boundary=\"phone_-1208892523==\"",
        "0045 0304 0300;1E14",
        "0061 3099 11235 094D",
        "-> 9E+999999998 Inexact",
        "1.5E+123456789, 2.e+4912345678",
        "CA\t+4953-09709\tAmerica/Winnipeg",
        "US\t+394421-1045903\tAmerica/Denver",
        "\"+262142-12-31\" and +12024-01-02",
        "00 69 00 66 00 69 00 63",
        "0.255.255.255",
        "Telephone Corporation 2017-2020",
        "30+20221128-1, 1+15551234567",
        "+35236450.6 and +345678.5432",
        "\"-0345678.5432\" '01234.000000'",
        "|0 70 60 60 50 60|0123",
        "0 0 222 1832 276 - -",
        "[*0328.0020.0004] # CALL [.1646.0020.0002]",
        "002 451.3 28.65 480",
        "qaN-fw_htIgKUVXoAuAEVgKxQu3tZ9qE2eiKkWIS7LA",
    ] {
        assert_eq!(scan(text, 0, "", EntitySet::all()), [], "{text}");
    }
}

#[test]
fn telephones_of_like_forms_are_still_found() {
    marked(
        "phone",
        &[
            "«0045 3122 6543»",
            "«0044 7911 123456»",
            "fax «+45 - 33256543»",
            "«+43-222-216 32 72»",
            "«0 800 123 456»",
            "tel «+1.8005551212»",
            "text «+49 171 2345678»",
            "«+49.171.2345678»",
            "«04 86 23 90 68»",
            "phone [«555-0132»]",
            "call «2017-2525»",
            "«+4915112345678»",
        ],
    );
}

#[test]
fn letters_may_stand_apart_from_their_number() {
    marked(
        "national_id",
        &[
            "NI number «AB 12 34 56 C», ok",
            "NINO «AB12 34 56 C»",
            "NIE «X-2482300-W»",
            "RIF «V-11470283-4»",
        ],
    );
    marked(
        "tax_id",
        &[
            "VAT «DE 136,695 976»".replace(',', " ").as_str(),
            "USt-IdNr. «DE136695976»",
            "TVA «FR 40303265045»",
            "VAT GB 123 and DE 123",
        ],
    );
    marked(
        "iban",
        &[
            "to «DE 89370400440532013000» now",
            "to «DE 89 3704 0044 0532 0130 00» now",
            "to DE 89370400440532013001 now",
        ],
    );
}
