"""What Presidio's recognizers find in generated texts: a JSON line for each text.

Usage: python presidio_verdicts.py OUT_FILE

The recognizers used are patterns and check digits. The natural-language engine that the package also imports is not installed;
a module without content stands in its place, and no recognizer asks it for anything.
"""

import importlib.abc
import importlib.machinery
import json
import random
import string
import sys



class Nothing(type):
    """Of a class that nobody uses: every member is a decorator that leaves what it is put on as it is."""

    def __getattr__(cls, name):
        return lambda *_, **__: lambda decorated: decorated


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules of the natural-language engine, without content."""

    def find_spec(self, name, path, target=None):
        absent = name.split(".")[0] in ("spacy", "thinc")
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if absent else None

    def exec_module(self, module):
        module.__getattr__ = lambda name: Nothing(name, (), {})


sys.meta_path.insert(0, Absent())

import tldextract  # noqa: E402
from presidio_analyzer.predefined_recognizers import (  # noqa: E402
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    UsSsnRecognizer,
)

# The list of public suffixes that the package brings along, and not the newest one from the network.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

OF_EACH = 300
SENTENCES = [
    "{}", "Please use {} from now on.", "value={};", "<td>{}</td>", '{{"field": "{}"}}', "a,{},b", "Re: {}\n", "({})", "was {}?",
]


def luhn(digits):
    total = sum(d if i % 2 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits)))
    return (10 - total % 10) % 10


def card(rng):
    prefix, length, groups = rng.choice([
        ("4", 16, (4, 4, 4, 4)), ("51", 16, (4, 4, 4, 4)), ("55", 16, (4, 4, 4, 4)), ("37", 15, (4, 6, 5)), ("6011", 16, (4, 4, 4, 4)),
    ])
    digits = [int(d) for d in prefix] + [rng.randint(0, 9) for _ in range(length - len(prefix) - 1)]
    digits.append(luhn(digits))
    text = "".join(map(str, digits))
    separator = rng.choice(["", " ", "-"])
    parts, at = [], 0
    for size in groups:
        parts.append(text[at:at + size])
        at += size
    return separator.join(parts)


def iban(rng):
    country, digits = rng.choice([("DE", 18), ("AT", 16), ("BE", 12), ("ES", 20), ("PL", 24), ("CH", 17)])
    account = "".join(rng.choice(string.digits) for _ in range(digits))
    number = int(account + "".join(str(ord(letter) - 55) for letter in country) + "00")
    text = f"{country}{98 - number % 97:02d}{account}"
    if rng.random() < 0.5:
        text = " ".join(text[at:at + 4] for at in range(0, len(text), 4))
    return text


def email(rng):
    word = lambda: "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 9)))  # noqa: E731
    local = rng.choice(["{}", "{}.{}", "{}+{}", "{}_{}"]).format(word(), word())
    return f"{local}@{word()}.{rng.choice(['com', 'org', 'net', 'de', 'co.uk', 'io'])}"


def ip(rng):
    if rng.random() < 0.5:
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))
    return ":".join(f"{rng.randint(0x1000, 0xFFFF):x}" for _ in range(8))


def ssn(rng):
    area = rng.choice([area for area in range(1, 900) if area != 666])
    return f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def main(out_file):
    rng = random.Random(20261128)
    kinds = [
        ("card", card, CreditCardRecognizer()), ("iban", iban, IbanRecognizer()), ("email", email, EmailRecognizer()),
        ("ip", ip, IpRecognizer()), ("ssn", ssn, UsSsnRecognizer()),
    ]
    with open(out_file, "w", encoding="utf-8") as out:
        for entity, value, recognizer in kinds:
            for _ in range(OF_EACH):
                text = rng.choice(SENTENCES).format(value(rng))
                found = recognizer.analyze(text, recognizer.supported_entities, None) or []
                spans = sorted({(one.start, one.end) for one in found if one.score > 0})
                out.write(json.dumps({"entity": entity, "text": text, "spans": spans}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
