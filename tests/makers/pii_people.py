"""Labelled texts with names of persons and addresses: a JSON line for each.

Usage: python pii_people.py OUT_FILE

Names and addresses are Faker's; the sentences, letters, members and tables around them, and the texts that only look as if they had
some, are written here.
"""

import json
import random
import sys

from faker import Faker

RNG = random.Random(20261130)
OF_EACH = 100

# By locale: sentences without a word that calls for a name, those with one, the front and end of a letter, sentences with an address.
LANGUAGES = {
    "en_US": (
        ["We met {} in the lobby yesterday.", "The invoice was sent to {} last week.", "{} will call you back.", "Please ask {} about the delivery.", "According to {}, the part is missing."],
        ["My name is {}.", "Patient: {}", "Mr. {} has not paid.", "I spoke to Dr. {} today.", "Customer name: {}", "Full name: {}\nAge: 41"],
        ("Dear {},\n\nthank you for your order.\n\nBest regards,\n{}\n"),
        ["My address is {}.", "Please ship it to {} by Friday.", "Address: {}", "We moved to {} in May."],
    ),
    "en_GB": (
        ["Could you pass this to {} please?", "{} has sent the forms.", "The appointment with {} is at ten.", "Yesterday {} complained again."],
        ["This is about Mrs {}.", "Hello, my name is {} and I need help.", "Tenant: {}", "Contact name: {}"],
        ("Dear {},\n\nwe have received your complaint.\n\nYours sincerely,\n{}\n"),
        ["I live at {}.", "Deliver to {} please.", "Address: {}"],
    ),
    "de_DE": (
        ["Gestern hat {} angerufen.", "Bitte leiten Sie das an {} weiter.", "Die Rechnung ging an {}.", "{} ist heute nicht im Haus."],
        ["Ich heiße {}.", "Mein Name ist {}.", "Frau {} wartet.", "Der Patient {} wurde entlassen.", "Ansprechpartner: {}", "Sehr geehrter Herr {},"],
        ("Liebe {},\n\nvielen Dank für die Nachricht.\n\nMit freundlichen Grüßen\n{}\n"),
        ["Ich wohne in der {}.", "Die Lieferung geht an: {}", "Anschrift: {}"],
    ),
    "fr_FR": (
        ["Hier, {} a téléphoné.", "Merci de transmettre ce dossier à {}.", "Le rendez-vous de {} est annulé.", "{} n'a pas répondu."],
        ["Je m'appelle {}.", "Madame {} attend.", "Le patient {} est sorti.", "Nom du client : {}", "M. {} a payé."],
        ("Cher {},\n\nmerci pour votre commande.\n\nCordialement,\n{}\n"),
        ["J'habite au {}.", "Livraison : {}", "Adresse : {}"],
    ),
    "es_ES": (
        ["Ayer llamó {}.", "Envíe el paquete a {} por favor.", "La cita de {} es mañana.", "{} no ha contestado."],
        ["Me llamo {}.", "Mi nombre es {}.", "La señora {} espera.", "El paciente {} ingresó ayer.", "Nombre completo: {}"],
        ("Estimado {}:\n\ngracias por su pedido.\n\nSaludos,\n{}\n"),
        ["Vivo en {}.", "Dirección: {}", "Entregar en {}, gracias."],
    ),
    "it_IT": (
        ["Ieri ha chiamato {}.", "Per favore inoltri questo a {}.", "La fattura di {} manca.", "{} non ha risposto."],
        ["Mi chiamo {}.", "La signora {} aspetta.", "Il paziente {} è stato dimesso.", "Nome completo: {}", "Il sig. {} ha pagato."],
        ("Gentile {},\n\ngrazie per l'ordine.\n\nCordiali saluti,\n{}\n"),
        ["Abito in {}.", "Indirizzo: {}", "La consegna va in {} domani."],
    ),
    "pt_PT": (
        ["Ontem {} telefonou.", "Por favor envie isto a {}.", "A consulta de {} foi adiada.", "{} não respondeu."],
        ["O meu nome é {}.", "Chamo-me {}.", "A senhora {} está à espera.", "O paciente {} teve alta.", "Nome completo: {}"],
        ("Caro {},\n\nobrigado pela encomenda.\n\nCumprimentos,\n{}\n"),
        ["Moro na {}.", "Morada: {}", "Entregar na {}, obrigado."],
    ),
    "nl_NL": (
        ["Gisteren belde {} nog.", "Stuur dit door naar {} graag.", "De afspraak van {} is verzet.", "{} heeft niet gereageerd."],
        ["Ik heet {}.", "Mijn naam is {}.", "Mevrouw {} wacht.", "De patiënt {} is ontslagen.", "Contactpersoon: {}"],
        ("Beste {},\n\nbedankt voor de bestelling.\n\nMet vriendelijke groet,\n{}\n"),
        ["Ik woon op {}.", "Adres: {}", "Bezorgen op {} aub."],
    ),
}
MEMBERS = ["full_name", "patient_name", "customerName", "contact_name"]
FIRST = ["first_name", "firstName", "Vorname", "prénom", "voornaam"]
LAST = ["last_name", "lastName", "Nachname", "apellidos", "cognome", "achternaam"]
ADDRESSES = ["address", "street_address", "Anschrift", "adresse", "dirección", "indirizzo", "morada", "shipping_address"]


def line(entity, kind, text, value=None, label="", start=0):
    span = None
    if value is not None:
        at = text.index(value, start)
        span = [at, at + len(value)]
    return json.dumps({"entity": entity, "kind": kind, "text": text, "span": span, "label": label})


def people(locale):
    fake = Faker(locale)
    fake.seed_instance(20261130)
    bare, called, letter, placed = LANGUAGES[locale]
    for _ in range(OF_EACH):
        first, last = fake.first_name(), fake.last_name()
        name = f"{first} {last}"
        yield line("person", "person in a sentence", RNG.choice(bare).format(name), name)
        yield line("person", "person called so", RNG.choice(called).format(name), name)
        # Of a letter, the name in front and the one at the end.
        other = f"{fake.first_name()} {fake.last_name()}"
        text = letter.format(name, other)
        yield line("person", "person in a letter", text, RNG.choice([name, other]))
        yield line("person", "person in a member", name, name, RNG.choice(MEMBERS))
        yield line("person", "person in a member", first, first, RNG.choice(FIRST))
        yield line("person", "person in a member", last, last, RNG.choice(LAST))
        column = RNG.choice(MEMBERS + LAST)
        yield line("person", "person in a table", f"id;{column};n\n7;{name};2\n8;{other};3\n", other)
        lines = fake.address().split("\n")
        # A sentence has an address on one line; of military ones no street is told.
        address = ", ".join(lines)
        yield line("street_address", "address in a sentence", RNG.choice(placed).format(address), address)
        yield line("street_address", "address in a letter", f"{name}\n{chr(10).join(lines)}\n\n{RNG.choice(bare).format('X')}", "\n".join(lines))
        yield line("street_address", "address in a member", address, address, RNG.choice(ADDRESSES))
        column = RNG.choice(ADDRESSES)
        yield line("street_address", "address in a table", f"id;{column};n\n7;\"{address}\";2\n", address)


MONTHS = ["April", "May", "June", "August", "Mai", "Avril", "Marzo", "Juni"]
CITIES = ["Paris", "Florence", "Charlotte", "Victoria", "Austin", "Jordan", "Sydney", "Santiago", "Lourdes", "Valencia", "Adelaide", "Orlando", "Madison", "Lincoln", "San Antonio", "Santa Clara", "San Diego", "St. Louis", "Virginia Beach", "Cruz Bay"]
COMPANIES = ["Morgan Stanley", "Johnson & Johnson", "Mercedes-Benz", "Wells Fargo", "Louis Vuitton", "Hewlett Packard", "Goldman Sachs", "Harley-Davidson", "Rolls-Royce", "Procter & Gamble", "Ernst & Young", "Marks & Spencer", "Calvin Klein", "Hugo Boss", "Estée Lauder", "Charles Schwab", "Deutsche Bank", "Credit Suisse", "American Express", "Delta Airlines"]
PRODUCTS = ["Claude Opus", "Claude Sonnet", "Gemini Pro", "Llama 3", "Mistral Large", "Siri", "Alexa", "Watson Assistant", "Jupyter Notebook", "Jenkins Pipeline", "Visual Studio", "Google Cloud", "Apache Maven", "Ruby on Rails", "Amazon Echo", "Julia Language", "Windows Server", "Ada Boost", "Kaiser Filter", "Docker Hub"]
TERMS = ["Alzheimer disease", "Parkinson's Disease", "Gaussian Process", "Bayes Theorem", "Nobel Prize", "Pulitzer Prize", "Fourier Transform", "Laplace Operator", "Monte Carlo", "Markov Chain", "Taylor Series", "Hamilton Function", "Victoria Station", "Carnegie Mellon University", "Stanford University", "Marie Curie Institute", "Charles River", "Saint Martin", "Grand Prix", "Red Cross"]
NEGATIVES = [
    lambda: f"The meeting is in {RNG.choice(MONTHS)} and not in {RNG.choice(MONTHS)} {RNG.randint(2020, 2030)}.",
    lambda: f"{RNG.choice(MONTHS)} was warmer than {RNG.choice(MONTHS)}, it said.",
    lambda: f"We flew from {RNG.choice(CITIES)} to {RNG.choice(CITIES)} for {RNG.randint(2, 9)} days.",
    lambda: f"{RNG.choice(CITIES)}, {RNG.choice(CITIES)} and {RNG.choice(CITIES)} have {RNG.randint(10, 99)} offices.",
    lambda: f"Shares of {RNG.choice(COMPANIES)} rose {RNG.randint(1, 9)} %, those of {RNG.choice(COMPANIES)} fell.",
    lambda: f"{RNG.choice(COMPANIES)} bought {RNG.randint(2, 40)} stores from {RNG.choice(COMPANIES)}.",
    lambda: f"I use {RNG.choice(PRODUCTS)} with {RNG.choice(PRODUCTS)} version {RNG.randint(1, 20)}.",
    lambda: f"Open {RNG.choice(PRODUCTS)}, then set {RNG.randint(2, 64)} workers.",
    lambda: f"The {RNG.choice(TERMS)} is on page {RNG.randint(1, 400)}, see also {RNG.choice(TERMS)}.",
    lambda: RNG.choice(["Will you mark it as read?", "Mark the task done.", "Grant access to the bucket.", "Rose wine is served cold.", "May I ask a question?", "Hope is not a strategy.", "Frank feedback helps.", "Bill the customer monthly.", "Chase the invoice.", "Rob was the verb.", "Jack up the price.", "Drew a line there.", "Dawn breaks at six.", "Joy is contagious."]),
    lambda: RNG.choice(["Dear Customer,", "Dear Sir or Madam,", "Hello World", "Dear Hiring Manager,", "Sehr geehrte Damen und Herren,", "Chers clients,", "Estimados clientes:", "Geachte heer, mevrouw,", "Gentile cliente,", "Caro cliente,"]) + f"\nyour order {RNG.randint(1000, 9999)} has shipped.\nBest regards,\nThe Support Team\n",
    lambda: json.dumps({"name": RNG.choice(["get_weather", "gpt-4o", "search", "Paris", "April", "main", "Build Docs"]), "type": "function", "description": "Returns the state of things", "count": RNG.randint(1, 99)}),
    lambda: f"name: {RNG.choice(['Run Tests', 'Build Docs', 'Deploy', 'Release Drafter', 'Lint Code'])}\non: push\njobs: {RNG.randint(1, 9)}\n",
    lambda: f"class {RNG.choice(['JohnSmith', 'UserName', 'MaryPoppins'])} extends Base_{RNG.randint(1, 9)} {{ val x = Foo.bar({RNG.randint(1, 9)}); }} // Fix This Later",
    lambda: f"Chapter {RNG.randint(1, 30)} The Long Road, section {RNG.randint(1, 9)} Main Points, {RNG.randint(2, 9)} Best Ways",
    lambda: f"In {RNG.randint(1900, 2030)} The Company opened {RNG.randint(2, 90)} New Stores and {RNG.randint(2, 9)} Parks.",
    lambda: f"Step {RNG.randint(1, 9)} Open Settings, Room {RNG.randint(100, 500)}, Gate {RNG.randint(1, 40)}, Flight {RNG.randint(100, 999)} To London",
    lambda: f"Die Firma hat {RNG.randint(2, 90)} Mitarbeiter, Kapitel {RNG.randint(1, 9)} Grundlagen, Version {RNG.randint(1, 9)} Vom Montag",
    lambda: f"Le chapitre {RNG.randint(1, 9)} Introduction, via {RNG.choice(['API', 'Slack', 'HTTP'])} {RNG.randint(1, 9)}, en place {RNG.randint(1, 9)}",
    lambda: f"2.{RNG.randint(1, 9)} Getting Started\n2.{RNG.randint(1, 9)} User Guide\nTable {RNG.randint(1, 9)} Model Results And {RNG.randint(10, 99)} Data Points",
]


def main(out_file):
    with open(out_file, "w", encoding="utf-8") as out:
        for locale in LANGUAGES:
            for text in people(locale):
                out.write(text + "\n")
        for _ in range(OF_EACH):
            for negative in NEGATIVES:
                out.write(line("", "nothing", negative()) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
