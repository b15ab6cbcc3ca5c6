"""Labelled texts of numbers that people have: a JSON line for each.

Usage: python pii_labelled.py OUT_FILE

The numbers are what python-stdnum takes for valid, what Faker makes up, and phonenumbers' example numbers of all regions; the
sentences, names and columns around them are written here, in seven languages and in that of whoever gives the number out.
"""

import base64
import hashlib
import importlib
import json
import random
import string
import sys
import uuid

import phonenumbers
from faker import Faker

RNG = random.Random(20261129)
OF_EACH = 40


def digits(count):
    return "".join(RNG.choice(string.digits) for _ in range(count))


def letters(count):
    return "".join(RNG.choice(string.ascii_uppercase) for _ in range(count))


def ymd(year=2):
    text = f"{RNG.randint(1930, 2009):04d}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}"
    return text[4 - year:]


def dmy():
    text = ymd()
    return text[4:6] + text[2:4] + text[0:2]


def valid(module, candidate):
    """A number that the module of python-stdnum takes for valid: the last digits are tried out."""
    check = importlib.import_module("stdnum." + module)
    for _ in range(20_000):
        number = candidate()
        if check.is_valid(number):
            return number
    raise RuntimeError(module)


def grouped(sizes, signs):
    def write(number):
        out, at = "", 0
        for size, sign in zip(sizes, list(signs) + [""]):
            out += number[at:at + size] + sign
            at += size
        return out
    return write


CF = ("ABCDEHLMPRST", string.ascii_uppercase)


def codice():
    return letters(6) + ymd()[:2] + RNG.choice(CF[0]) + f"{RNG.randint(1, 28):02d}" + "H501" + letters(1)


def codice_fiscale():
    body = letters(6) + ymd()[:2] + RNG.choice(CF[0]) + f"{RNG.randint(1, 28):02d}" + "H" + digits(3)
    return body + importlib.import_module("stdnum.it.codicefiscale").calc_check_digit(body)


def nir():
    body = RNG.choice("12") + ymd()[:4] + f"{RNG.randint(1, 95):02d}" + f"{RNG.randint(1, 989):03d}" + f"{RNG.randint(1, 999):03d}"
    return body + f"{97 - int(body) % 97:02d}"


def curp():
    body = letters(1) + RNG.choice("AEIOU") + letters(2) + ymd() + RNG.choice("HM") + "DF" + "".join(
        RNG.choice("BCDFGHJKLMNPQRSTVWXYZ") for _ in range(3)) + RNG.choice(string.digits)
    return body + importlib.import_module("stdnum.mx.curp").calc_check_digit(body)


def pan():
    return letters(3) + "P" + letters(1) + digits(4) + letters(1)


plain = str
# Module of python-stdnum, candidates, ways to write them, and what introduces them.
NATIONAL = [
    ("de.idnr", lambda: digits(11), [plain, grouped((2, 3, 3, 3), "   ")], ["Steuer-ID: ", "Meine Steueridentifikationsnummer ist ", "IdNr. "]),
    ("fr.nir", nir, [plain, grouped((1, 2, 2, 2, 3, 3, 2), "      ")], ["numéro de sécurité sociale : ", "NIR ", "mon numéro INSEE est "]),
    ("es.dni", lambda: digits(8) + letters(1), [plain], ["DNI: ", "mi DNI es ", "con NIF "]),
    ("es.nie", lambda: RNG.choice("XYZ") + digits(7) + letters(1), [plain], ["NIE ", "el extranjero ", ""]),
    ("it.codicefiscale", codice_fiscale, [plain], ["codice fiscale ", "il paziente ", ""]),
    ("pt.nif", lambda: RNG.choice("123") + digits(8), [plain, grouped((3, 3, 3), "  ")], ["NIF: ", "número de contribuinte "]),
    ("nl.bsn", lambda: digits(9), [plain], ["BSN: ", "mijn burgerservicenummer is "]),
    ("be.nn", lambda: ymd() + digits(5), [plain, grouped((2, 2, 2, 3, 2), "..-.")], ["rijksregisternummer ", "numéro de registre national "]),
    ("pl.pesel", lambda: f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(5), [plain], ["PESEL: ", "mój numer PESEL to "]),
    ("se.personnummer", lambda: ymd() + "-" + digits(4), [plain], ["personnummer: ", "mitt personnummer är "]),
    ("no.fodselsnummer", lambda: dmy() + digits(5), [plain, grouped((6, 5), " ")], ["fødselsnummer: ", "fnr "]),
    ("dk.cpr", lambda: f"{RNG.randint(1, 28):02d}{RNG.randint(1, 12):02d}{RNG.randint(40, 99)}" + "1" + digits(3), [plain, grouped((6, 4), "-")], ["CPR-nummer: ", "mit CPR er "]),
    ("fi.hetu", lambda: f"{RNG.randint(1, 28):02d}{RNG.randint(1, 12):02d}{RNG.randint(30, 99)}-{RNG.randint(2, 899):03d}" + RNG.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"), [plain], ["henkilötunnus ", "hetu: "]),
    ("ee.ik", lambda: RNG.choice("34") + f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(4), [plain], ["isikukood ", "minu isikukood on "]),
    ("lt.asmens", lambda: RNG.choice("34") + f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(4), [plain], ["asmens kodas "]),
    ("cz.rc", lambda: f"{RNG.randint(54, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(4), [grouped((6, 4), "/")], ["rodné číslo ", "rodné číslo: "]),
    ("ro.cnp", lambda: RNG.choice("12") + f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + f"{RNG.randint(1, 40):02d}" + digits(4), [plain], ["CNP: ", "cod numeric personal "]),
    ("bg.egn", lambda: f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(4), [plain], ["ЕГН ", "EGN: "]),
    ("hr.oib", lambda: digits(11), [plain], ["OIB: ", "moj OIB je "]),
    ("si.emso", lambda: f"{RNG.randint(1, 28):02d}{RNG.randint(1, 12):02d}9{RNG.randint(30, 99)}50" + digits(4), [plain], ["EMŠO: ", "JMBG "]),
    ("gr.amka", lambda: dmy() + digits(5), [plain], ["ΑΜΚΑ ", "AMKA: "]),
    ("tr.tckimlik", lambda: RNG.choice("123456789") + digits(10), [plain], ["TC kimlik no ", "kimlik numarası: "]),
    ("ie.pps", lambda: digits(7) + letters(1), [plain], ["PPS number ", "PPSN: "]),
    ("ch.ssn", lambda: "756" + digits(10), [plain, grouped((3, 4, 4, 2), "...")], ["AHV-Nummer ", "numéro AVS : "]),
    ("at.vnr", lambda: RNG.choice("123456789") + digits(3) + dmy(), [plain, grouped((4, 6), " ")], ["SVNR: ", "Sozialversicherungsnummer "]),
    ("br.cpf", lambda: digits(11), [plain, grouped((3, 3, 3, 2), "..-")], ["CPF: ", "meu CPF é "]),
    ("cl.rut", lambda: RNG.choice("123456789") + digits(7) + RNG.choice("0123456789K"), [grouped((2, 3, 3, 1), "..-"), grouped((8, 1), "-")], ["RUT: ", "mi RUT es "]),
    ("ar.cuit", lambda: RNG.choice(["20", "27"]) + digits(9), [plain, grouped((2, 8, 1), "--")], ["CUIT: ", "CUIL "]),
    ("mx.curp", curp, [plain], ["CURP: ", "mi CURP es ", ""]),
    ("in_.aadhaar", lambda: RNG.choice("23456789") + digits(11), [plain, grouped((4, 4, 4), "  ")], ["Aadhaar number ", "my Aadhaar is "]),
    ("in_.pan", pan, [plain], ["PAN number ", "PAN card: ", ""]),
    ("cn.ric", lambda: "110105" + "19" + ymd() + digits(3) + RNG.choice("0123456789X"), [plain], ["身份证号", "resident identity card ", ""]),
    ("kr.rrn", lambda: f"{RNG.randint(30, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + RNG.choice("12") + digits(6), [grouped((6, 7), "-")], ["주민등록번호 ", "resident registration number "]),
    ("jp.in_", lambda: digits(12), [plain, grouped((4, 4, 4), "  ")], ["マイナンバー ", "My Number: "]),
    ("my.nric", lambda: f"{RNG.randint(40, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + f"{RNG.randint(1, 14):02d}" + digits(4), [grouped((6, 2, 4), "--")], ["NRIC ", "MyKad number "]),
    ("th.pin", lambda: RNG.choice("12345678") + digits(12), [plain, grouped((1, 4, 5, 2, 1), "----")], ["เลขประจำตัวประชาชน ", "Thai ID "]),
    ("id.nik", lambda: "3171" + "01" + f"{RNG.randint(1, 28):02d}{RNG.randint(1, 12):02d}{RNG.randint(50, 99)}" + f"{RNG.randint(1, 99):04d}", [plain], ["NIK: ", "KTP "]),
    ("za.idnr", lambda: f"{RNG.randint(40, 99)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}" + digits(4) + "08" + digits(1), [plain], ["my ID number is ", "South African ID "]),
    ("au.tfn", lambda: digits(9), [plain, grouped((3, 3, 3), "  ")], ["TFN: ", "my tax file number is "]),
    ("nz.ird", lambda: f"{RNG.randint(10_000_000, 149_999_999)}", [plain], ["IRD number ", "my IRD is "]),
    ("ca.sin", lambda: RNG.choice("12345679") + digits(8), [plain, grouped((3, 3, 3), "--"), grouped((3, 3, 3), "  ")], ["SIN: ", "my social insurance number is "]),
    ("il.idnr", lambda: digits(9), [plain], ["תעודת זהות ", "Teudat Zehut "]),
    ("is_.kennitala", lambda: dmy() + digits(3) + "9", [plain, grouped((6, 4), "-")], ["kennitala "]),
    ("ua.rntrc", lambda: digits(10), [plain], ["РНОКПП ", "RNTRC "]),
    ("ru.inn", lambda: digits(12), [plain], ["ИНН "]),
    ("ec.ci", lambda: f"{RNG.randint(1, 24):02d}" + RNG.choice("012345") + digits(7), [plain], ["cédula ", "cédula de identidad "]),
    ("do.cedula", lambda: digits(11), [plain, grouped((3, 7, 1), "--")], ["cédula dominicana ", "cédula: "]),
    ("co.nit", lambda: RNG.choice("123456789") + digits(9), [grouped((9, 1), "-"), grouped((3, 3, 3, 1), "..-")], ["cédula de ciudadanía ", "NIT: "]),
    ("cu.ni", lambda: ymd() + digits(5), [plain], ["carné de identidad "]),
    ("pe.cui", lambda: digits(9), [grouped((8, 1), "-")], ["DNI ", "CUI: "]),
    ("ve.rif", lambda: RNG.choice("VE") + digits(9), [plain, grouped((1, 8, 1), "--")], ["RIF: ", "mi RIF es "]),
    ("cr.cpf", lambda: "0" + RNG.choice("1234567") + digits(8), [grouped((2, 4, 4), "--")], ["cédula física "]),
    ("sv.nit", lambda: "0" + digits(13), [plain, grouped((4, 6, 3, 1), "---")], ["NIT: "]),
    ("mu.nid", lambda: letters(1) + dmy() + digits(6) + RNG.choice("0123456789ABCDEFG"), [plain], ["Mauritian ID ", "NIC number "]),
    ("bg.pnf", lambda: digits(10), [plain], ["ЛНЧ ", "LNCH: "]),
    ("in_.epic", lambda: letters(3) + digits(7), [plain], ["voter ID ", "EPIC number "]),
    ("in_.vid", lambda: RNG.choice("23456789") + digits(15), [plain, grouped((4, 4, 4, 4), "   ")], ["Aadhaar VID ", "VID number "]),
    ("fr.nif", lambda: RNG.choice("0123") + digits(12), [plain, grouped((2, 2, 3, 3, 3), "    ")], ["numéro fiscal : ", "SPI "]),
    ("gb.upn", lambda: RNG.choice("ABCDEFGHJKLMNPQRTUVWXYZ") + "801" + digits(9), [plain], ["UPN ", "unique pupil number "]),
]

# How numbers for value-added tax are written: letters and digits of the country, digits, letters.
VAT = [
    "ATU########", "BE0#########", "BG#########", "BG##########", "CY########@", "CZ########", "DE#########", "DK########", "EE#########", "EL#########",
    "ESA#######@", "ESB########", "FI########", "FR###########", "FRK##########", "HR###########", "HU########", "IE#######@", "IE#######@@", "IT###########",
    "LT#######1#", "LU########", "LV4##########", "MT########", "NL#########B0#", "PL##########", "PT#########", "RO########", "SE##########01",
    "SI########", "SK##########", "XI#########",
]


def vat():
    form = RNG.choice(VAT)
    return valid("eu.vat", lambda: "".join({"#": digits, "@": letters}.get(sign, lambda _, sign=sign: sign)(1) for sign in form))


def nino():
    while True:
        number = letters(2) + digits(6) + RNG.choice("ABCD")
        if number[0] not in "DFIQUV" and number[1] not in "DFIOQUV" and number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
            return number


def spaced_nino():
    number = nino()
    return " ".join([number[:2], number[2:4], number[4:6], number[6:8], number[8]])


def checksummed():
    """An address whose cases are the check of EIP-55."""
    keccak = importlib.import_module("Crypto.Hash.keccak")
    address = RNG.randbytes(20).hex()
    digest = keccak.new(digest_bits=256, data=address.encode()).hexdigest()
    return "0x" + "".join(sign.upper() if int(digit, 16) > 7 else sign for sign, digit in zip(address, digest))

FAKE = {name: Faker(name) for name in ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_PT", "nl_NL", "en_CA", "pl_PL", "sv_SE"]}
for fake in FAKE.values():
    fake.seed_instance(20261129)


def routing():
    return valid("us.rtn", lambda: f"{RNG.choice([1, 2, 5, 11, 21, 26, 31, 32]):02d}" + digits(7))


def npi():
    luhn = importlib.import_module("stdnum.luhn")
    body = RNG.choice("12") + digits(8)
    return body + luhn.calc_check_digit("80840" + body)


def dea():
    body = digits(6)
    odd, even = [sum(int(d) for d in body[at::2]) for at in (0, 1)]
    return RNG.choice("ABFM") + letters(1) + body + str((odd + 2 * even) % 10)


def bic():
    return FAKE["en_GB"].swift(length=RNG.choice([8, 11]))


def date(form):
    return lambda: FAKE["en_GB"].date_of_birth(minimum_age=18, maximum_age=90).strftime(form)


def bitcoin():
    body = b"\0" + RNG.randbytes(20)
    body += hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number, out = int.from_bytes(body, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[rest] + out
    return "1" * (len(body) - len(body.lstrip(b"\0"))) + out


def ether():
    return "0x" + RNG.randbytes(20).hex()


OTHERS = [
    ("national_id", spaced_nino, ["NI number ", "National Insurance number: ", "NINO "], "ni_number"),
    ("tax_id", lambda: FAKE["en_US"].ein(), ["EIN ", "our employer identification number is ", "federal tax ID: "], "ein"),
    ("tax_id", vat, ["VAT number ", "USt-IdNr.: ", "numéro de TVA ", "partita IVA ", "NIF-IVA: ", "btw-nummer ", "VAT: "], "vat_number"),
    ("tax_id", lambda: grouped((3, 3, 2, 2), "---")(valid("pl.nip", lambda: RNG.choice("123456789") + digits(9))), ["NIP: ", "numer NIP "], "nip"),
    ("tax_id", lambda: valid("tr.vkn", lambda: digits(10)), ["VKN: ", "vergi kimlik no "], "vkn"),
    ("tax_id", lambda: valid("de.stnr", lambda: "5" + digits(12)), ["Steuernummer ", "Steuernummer: "], "steuernummer"),
    ("tax_id", lambda: grouped((2, 3, 5), "//")(digits(10)), ["Steuernummer ", "St.-Nr. "], "steuernummer"),
    ("tax_id", lambda: grouped((2, 3, 4), "-/")(valid("at.tin", lambda: "12" + digits(7))), ["Abgabenkontonummer ", "Steuernummer "], "abgabenkontonummer"),
    ("tax_id", lambda: valid("za.tin", lambda: RNG.choice("01239") + digits(9)), ["income tax number ", "SARS number "], "sars_number"),
    ("tax_id", lambda: grouped((2, 3, 3, 1, 3, 3), "...-.")(valid("id.npwp", lambda: digits(15))), ["NPWP: ", "nomor NPWP "], "npwp"),
    ("tax_id", lambda: "A" + digits(9) + letters(1), ["KRA PIN ", "KRA PIN: "], "kra_pin"),
    ("tax_id", lambda: grouped((2, 3, 3, 4, 2), "../-")(valid("br.cnpj", lambda: digits(12) + digits(2))), ["CNPJ: ", "meu CNPJ é "], "cnpj"),
    ("tax_id", lambda: valid("gb.utr", lambda: digits(10)), ["UTR: ", "my unique taxpayer reference is "], "utr"),
    ("passport", lambda: FAKE["en_US"].passport_number(), ["passport number ", "Passport No. ", "my passport is "], "passport_number"),
    ("passport", lambda: "C" + digits(1) + letters(1) + digits(6), ["Reisepass ", "Reisepassnummer: ", "paspoort "], "passport"),
    ("passport", lambda: digits(2) + letters(2) + digits(5), ["numéro de passeport ", "passeport : ", "pasaporte "], "passeport"),
    ("passport", lambda: letters(2) + digits(7), ["passaporto ", "numero di passaporto: ", "passaporte "], "passaporto"),
    ("driver_license", lambda: letters(1) + digits(7), ["driver's license ", "driver license number: ", "DL number "], "drivers_license"),
    ("driver_license", lambda: letters(5) + digits(6) + letters(2) + digits(1) + letters(2), ["driving licence ", "driving licence: "], "driving_licence"),
    ("driver_license", lambda: letters(1) + digits(3) + letters(3) + digits(2) + letters(1) + digits(1), ["Führerscheinnummer ", "Führerschein: "], "fuehrerschein"),
    ("driver_license", lambda: letters(2) + digits(7) + letters(1), ["patente di guida ", "permis de conduire ", "rijbewijs "], "patente"),
    ("date_of_birth", date("%d.%m.%Y"), ["geboren am ", "Geburtsdatum: ", "geb. "], "geburtsdatum"),
    ("date_of_birth", date("%m/%d/%Y"), ["date of birth: ", "DOB ", "born on "], "dob"),
    ("date_of_birth", date("%Y-%m-%d"), ["birth date ", "born "], "birth_date"),
    ("date_of_birth", date("%d/%m/%Y"), ["né le ", "date de naissance : ", "fecha de nacimiento: ", "nacida el ", "nato il ", "data de nascimento: "], "fecha_nacimiento"),
    ("date_of_birth", date("%d-%m-%Y"), ["geboren op ", "geboortedatum: "], "geboortedatum"),
    ("date_of_birth", date("%d %B %Y"), ["born on ", "date of birth "], "dateOfBirth"),
    ("mac", lambda: FAKE["en_US"].mac_address(), ["device ", "ether ", ""], "mac"),
    ("mac", lambda: FAKE["en_US"].mac_address().upper().replace(":", "-"), ["Physical Address: ", ""], "hw"),
    ("crypto_address", bitcoin, ["send it to ", "", "BTC "], "address"),
    ("crypto_address", checksummed, ["send it to ", "", "pay "], "recipient"),
    ("crypto_address", ether, ["ETH wallet ", "ethereum address: "], "wallet"),
    ("bic", bic, ["BIC: ", "SWIFT code is ", "BIC "], "bic"),
    ("bank_account", routing, ["routing number ", "ABA ", "routing no. "], "routing_number"),
    ("bank_account", lambda: f"{digits(2)}-{digits(2)}-{digits(2)}", ["sort code ", "sort code: "], "sort_code"),
    ("bank_account", lambda: RNG.choice("123456789") + digits(7), ["account number ", "bank account ", "numéro de compte ", "número de cuenta "], "account_number"),
    ("bank_account", lambda: RNG.choice("123456789") + digits(9), ["Kontonummer ", "Kto.-Nr. ", "rekeningnummer ", "conto corrente "], "kontonummer"),
    ("bank_account", lambda: grouped((4, 4, 2, 10), "   ")(valid("es.ccc", lambda: digits(20))), ["cuenta bancaria ", "CCC: "], "numero_cuenta"),
    ("bank_account", lambda: grouped((4, 2, 5), "..")(valid("no.kontonr", lambda: RNG.choice("123456789") + digits(10))), ["kontonummer ", "bankkonto: "], "kontonummer"),
    ("bank_account", lambda: valid("ar.cbu", lambda: digits(22)), ["CBU: ", "mi CBU es "], "cbu"),
    ("bank_account", lambda: digits(5) + "-" + RNG.choice("0") + digits(2), ["transit number ", "transit no. "], "transit_number"),
    ("bank_account", lambda: letters(4) + "0" + digits(6), ["IFSC code ", "IFSC: "], "ifsc_code"),
    ("bank_account", lambda: str(uuid.UUID(bytes=RNG.randbytes(16))), ["chave Pix ", "minha chave Pix: "], "chave_pix"),
    ("vin", lambda: FAKE["en_US"].vin(), ["VIN ", "chassis number ", ""], "vin"),
    ("license_plate", lambda: digits(1) + letters(3) + digits(3), ["license plate ", "plate number: "], "license_plate"),
    ("license_plate", lambda: letters(1) + "-" + letters(2) + digits(4), ["Kennzeichen ", "Kfz-Kennzeichen: "], "kennzeichen"),
    ("license_plate", lambda: letters(2) + "-" + digits(3) + "-" + letters(2), ["immatriculation ", "plaque d'immatriculation : ", "targa ", "kenteken "], "immatriculation"),
    ("medical_id", npi, ["NPI ", "NPI number: "], "npi"),
    ("medical_id", lambda: valid("gb.nhs", lambda: RNG.choice("456") + digits(9)), ["NHS number ", "NHS no: "], "nhs_number"),
    ("medical_id", lambda: valid("ca.bc_phn", lambda: "9" + digits(9)), ["PHN: ", "personal health number "], "phn"),
    ("medical_id", dea, ["DEA ", "DEA number "], "dea_number"),
    ("medical_id", lambda: digits(8), ["MRN: ", "medical record number ", "patient ID ", "Patientennummer "], "mrn"),
]

AROUND = [("", "."), ("Bitte prüfen: ", "."), ("Veuillez noter ", ", merci."), ("Por favor, ", " gracias"), ("Si prega: ", "\n"), ("Por favor: ", ";"), ("Graag ", ".")]


def line(entity, text, start=None, length=0, label="", kind=""):
    span = None if start is None else [start, start + length]
    return json.dumps({"entity": entity, "text": text, "span": span, "label": label, "kind": kind})


def samples(entity, value, lead, name, kind, alone):
    """A sentence; and, where a name is given, a member and a column."""
    before, after = RNG.choice(AROUND)
    yield line(entity, before + lead + value + after, len(before + lead), len(value), kind=kind)
    if name:
        yield line(entity, value, 0, len(value), name, kind)
        table = f"name,{name},n\nann,{value},1\n"
        yield line(entity, table, table.index(value, len(name) + 6), len(value), kind=kind)


def people():
    for module, candidate, ways, leads in NATIONAL:
        for at in range(OF_EACH):
            number = valid(module, candidate)
            yield from samples("national_id", RNG.choice(ways)(number), RNG.choice(leads), None, module, False)
    for entity, make, leads, name in OTHERS:
        for at in range(OF_EACH):
            yield from samples(entity, make(), RNG.choice(leads), name, name, False)


PHONE_WORDS = ["phone: ", "Tel. ", "Telefon: ", "téléphone : ", "teléfono: ", "telefono: ", "telefone: ", "telefoon: ", "mobile "]


def phones():
    form = phonenumbers.PhoneNumberFormat
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            for way, lead in ((form.INTERNATIONAL, "reach us: "), (form.E164, ""), (form.NATIONAL, RNG.choice(PHONE_WORDS))):
                value = phonenumbers.format_number(number, way)
                yield line("phone", lead + value + ".", len(lead), len(value), kind=f"{region}")


def hex_digits(count):
    return RNG.randbytes((count + 1) // 2).hex()[:count]


NEGATIVES = [
    lambda: f"{RNG.random()} {RNG.gauss(0, 1e4)} {RNG.random():.9f}",
    lambda: ",".join(f"{RNG.uniform(-1000, 1000):.{RNG.randint(1, 9)}f}" for _ in range(6)),
    lambda: json.dumps({"id": RNG.randint(10**6, 10**12), "score": RNG.random(), "data": [RNG.randint(0, 10**9) for _ in range(4)]}),
    lambda: json.dumps({"user_id": RNG.randint(10**15, 10**18), "order": digits(10), "sku": letters(3) + digits(6)}),
    lambda: f"v{RNG.randint(0, 20)}.{RNG.randint(0, 30)}.{RNG.randint(0, 300)} and {RNG.randint(0, 20)}.{RNG.randint(0, 30)}.{RNG.randint(0, 999)}-{RNG.randint(1, 9)}",
    lambda: str(uuid.UUID(bytes=RNG.randbytes(16))),
    lambda: f"sha256:{hex_digits(64)} commit {hex_digits(40)} {hex_digits(7)}",
    lambda: f"{FAKE['en_US'].date_time():%Y-%m-%dT%H:%M:%S}Z INFO request {digits(8)} took {RNG.randint(1, 999)} ms",
    lambda: f"{FAKE['en_US'].date_time():%d/%b/%Y:%H:%M:%S} +0000 GET /v1/items/{digits(9)} 200 {digits(5)}",
    lambda: f"{RNG.randint(1_500_000_000, 1_800_000_000)} {RNG.randint(1_500_000_000_000, 1_800_000_000_000)}",
    lambda: f"let x{digits(2)} = y[{digits(3)}] + 0x{hex_digits(8)}; // line {digits(4)}",
    lambda: f"order {letters(2)}{digits(8)}, invoice {digits(4)}-{digits(6)}, ticket #{digits(7)}",
    lambda: f"{RNG.randint(1, 28)}.{RNG.randint(1, 12)}.2026 {RNG.randint(8, 18)}:30, room {digits(3)}, page {digits(2)} of {digits(3)}",
    lambda: f"The fund rose {RNG.random():.4f} % to $ {digits(3)},{digits(3)}.{digits(2)} in {RNG.randint(1990, 2026)}.",
    lambda: base64.b64encode(RNG.randbytes(60)).decode(),
    lambda: f"build {ymd()}-{digits(4)}, run {RNG.randint(2015, 2026)}{RNG.randint(1, 12):02d}{RNG.randint(1, 28):02d}-{digits(6)}",
    lambda: f"gene ENSG{digits(11)}, CAS {digits(5)}-{digits(2)}-{digits(1)}, arXiv {digits(4)}.{digits(5)}, ISBN 978-3-{digits(2)}-{digits(6)}-{digits(1)}",
    lambda: f"ean 4{digits(12)} part {digits(3)}-{digits(3)}-{digits(4)} lot {letters(2)}{digits(7)}",
    lambda: f"size {digits(3)} x {digits(4)}, {digits(2)}/{digits(4)}, {digits(6)}/{digits(4)} tests passed",
    lambda: FAKE["en_US"].paragraph() + f" {digits(2)} " + FAKE["en_US"].sentence(),
    lambda: FAKE["de_DE"].sentence() + f" {digits(4)} " + FAKE["fr_FR"].sentence(),
    lambda: f"passport control at gate {letters(1)}{digits(2)}, flight {letters(2)}{digits(4)}, terminal {digits(1)}",
    lambda: f"account settings, {digits(2)} accounts in {digits(4)}, born in {RNG.randint(1950, 2005)}",
    lambda: f"{letters(4)}_{digits(6)} {letters(3)}{digits(3)} {letters(8)} {letters(6)}{digits(2)}X",
]


def main(out_file):
    with open(out_file, "w", encoding="utf-8") as out:
        for text in people():
            out.write(text + "\n")
        for text in phones():
            out.write(text + "\n")
        for at, make in enumerate(NEGATIVES):
            for _ in range(5 * OF_EACH):
                out.write(line("", make(), kind=f"negative {at}") + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
