"""What Presidio finds in the labelled texts of pii_labelled.py and in presidio-research's sentences: a table in Markdown.

Usage: python presidio_compared.py LABELLED_FILE [SENTENCES_FILE]

It needs `pip install presidio-analyzer==2.2.366 spacy==3.8.18`; no test runs it, for that is 130 MB. Patterns, check digits and context
words decide: the pipeline of spaCy is blank, so that neither names nor places are found, and a word's lemma is the word. A member's name
is given as context. `default` has the recognizers that Presidio takes for English; `all` has every one that it brings along, told that
the text is English. Findings below a score of 0.4, the least that a context word makes of one, are left out.
"""

import fnmatch
import inspect
import json
import resource
import sys
import time

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine

# The list of public suffixes that the package brings along, and not the newest one from the network.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

LEAST = 0.4
KINDS = {
    "email": ["EMAIL_ADDRESS"],
    "phone": ["PHONE_NUMBER"],
    "card": ["CREDIT_CARD"],
    "ssn": ["US_SSN", "US_ITIN"],
    "iban": ["IBAN_CODE"],
    "ip": ["IP_ADDRESS"],
    "tax_id": ["*TAX*", "*_VAT*", "*_TIN", "*_BRN", "SE_ORGANISATIONSNUMMER", "*_GSTIN", "*_NIP", "*_UEN", "*_ABN", "*_ACN"],
    "passport": ["*_PASSPORT"],
    "driver_license": ["*_DRIVER_LICENSE", "*_DRIVING_LICENCE"],
    "date_of_birth": ["DATE_TIME"],
    "mac": ["MAC_ADDRESS"],
    "crypto_address": ["CRYPTO"],
    "bank_account": ["US_BANK_NUMBER", "ABA_ROUTING_NUMBER"],
    "license_plate": ["*_LICENSE_PLATE", "*VEHICLE_REGISTRATION*", "DE_KFZ", "ZA_TRAFFIC_REGISTER_NUMBER"],
    "medical_id": ["UK_NHS", "US_NPI", "MEDICAL_LICENSE", "AU_MEDICARE", "US_MBI", "*HEALTH*", "DE_BSNR", "DE_LANR", "*PRESCRIPTION*"],
    "other": ["URL", "UUID", "*POSTCODE", "DE_PLZ"],
}
RESEARCH = {
    "email": "EMAIL_ADDRESS", "phone": "PHONE_NUMBER", "card": "CREDIT_CARD", "ssn": "US_SSN", "iban": "IBAN_CODE", "ip": "IP_ADDRESS",
}


def kind(name):
    for entity, patterns in KINDS.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return entity
    return "national_id"


class Blank(SpacyNlpEngine):
    """Tokens without a model; each is its own lemma."""

    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self):
        pass

    def process_text(self, text, language):
        doc = self.nlp[language](text)
        words = [token.text.lower() for token in doc]
        return NlpArtifacts(entities=[], tokens=doc, tokens_indices=[token.idx for token in doc], lemmas=words, nlp_engine=self, language=language)


def engine(everything):
    registry = RecognizerRegistry()
    if everything:
        for name in dir(predefined_recognizers):
            made = getattr(predefined_recognizers, name)
            if inspect.isclass(made) and (issubclass(made, PatternRecognizer) or name == "PhoneRecognizer") and made is not PatternRecognizer:
                registry.add_recognizer(made(supported_language="en"))
    else:
        registry.load_predefined_recognizers(languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])


def score(analyzer, samples):
    """By entity: values, those wholly covered, findings, those that touch a value; and kB/s of the processor's time."""
    scores, size = {}, 0
    begun = time.process_time()
    for text, values, label in samples:
        size += len(text.encode())
        found = analyzer.analyze(text, language="en", score_threshold=LEAST, context=label.replace("_", " ").split() or None)
        spans = [(kind(one.entity_type), one.start, one.end) for one in found]
        for entity, start, end in values:
            row = scores.setdefault(entity, [0, 0, 0, 0])
            row[0] += 1
            row[1] += any(one == entity and first <= start and end <= last for one, first, last in spans)
        for entity, first, last in set(spans):
            row = scores.setdefault(entity, [0, 0, 0, 0])
            row[2] += 1
            row[3] += any(one == entity and first < end and start < last for one, start, end in values)
    return scores, size / (time.process_time() - begun) / 1000


def table(name, scores, speed):
    print(f"\n{name}: {speed:.1f} kB/s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB\n")
    print("| entity | values | recall | precision |\n|---|---|---|---|")
    for entity, (values, covered, found, right) in sorted(scores.items()):
        if values:
            precision = f"{100 * right / found:.1f} %" if found else "–"
            print(f"| {entity} | {values} | {100 * covered / values:.1f} % | {precision} |")


def main(labelled, sentences=None):
    samples = []
    with open(labelled, encoding="utf-8") as lines:
        for one in map(json.loads, lines):
            samples.append((one["text"], [(one["entity"], *one["span"])] if one["span"] else [], one["label"]))
    for everything in (False, True):
        analyzer = engine(everything)
        table("all" if everything else "default", *score(analyzer, samples))
        if sentences:
            names = {there: ours for ours, there in RESEARCH.items()}
            with open(sentences, encoding="utf-8") as file:
                research = [
                    (one["full_text"], [(names[span["entity_type"]], span["start_position"], span["end_position"]) for span in one["spans"] if span["entity_type"] in names], "")
                    for one in json.load(file)
                ]
            table("sentences", *score(analyzer, research))


if __name__ == "__main__":
    main(*sys.argv[1:])
