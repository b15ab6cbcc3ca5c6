//! Recall and precision over labelled texts of a fixed generator: ordinary and odd forms of each
//! entity, and what only looks like one. The README's table is the one that is measured here; for
//! ordinary forms and for precision there are floors.

use super::rates::Random;
use super::*;
use core::fmt::Write;

const OF_EACH: usize = 200;

impl Random {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.next()).unwrap_or(0) % of.len()]
    }

    fn from(&mut self, alphabet: &str, length: usize) -> String {
        (0..length)
            .map(|_| {
                char::from(
                    alphabet.as_bytes()
                        [usize::try_from(self.next() >> 33).unwrap() % alphabet.len()],
                )
            })
            .collect()
    }

    fn word(&mut self) -> String {
        let length = 3 + usize::try_from(self.next() % 6).unwrap();
        self.from("abcdefghijklmnopqrstuvwxyz", length)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn email(&mut self) -> String {
        let (a, b, c) = (self.word(), self.word(), self.word());
        let sign = self.one(&[".", "_", "+", "-", ""]);
        let domain = self.one(&["com", "org", "co.uk", "example", "de"]);
        format!("{a}{sign}{b}@{c}.{domain}")
    }

    /// Sixteen digits of a Visa or Mastercard with a right check digit.
    fn card(&mut self) -> String {
        let prefix = self.one(&["4", "51", "52", "54", "55"]);
        let mut digits = prefix.to_owned();
        while digits.len() < 15 {
            write!(digits, "{}", self.below(10)).unwrap();
        }
        let sum: u32 = digits
            .bytes()
            .enumerate()
            .map(|(at, digit)| match (at % 2, u32::from(digit - b'0')) {
                (1, digit) => digit,
                (_, digit) if digit >= 5 => digit * 2 - 9,
                (_, digit) => digit * 2,
            })
            .sum();
        write!(digits, "{}", (10 - sum % 10) % 10).unwrap();
        digits
    }

    fn grouped(&mut self, separator: &str) -> String {
        let digits = self.card();
        let groups: Vec<&str> = (0..4).map(|at| &digits[at * 4..at * 4 + 4]).collect();
        groups.join(separator)
    }

    fn ssn(&mut self, separator: &str) -> String {
        let area = 1 + self.below(665);
        format!(
            "{area:03}{separator}{:02}{separator}{:04}",
            1 + self.below(99),
            1 + self.below(9999)
        )
    }

    fn iban(&mut self) -> String {
        let account = self.from("0123456789", 18);
        // DE00 behind the account, letters as numbers (ISO 7064).
        let rest = format!("{account}131400")
            .bytes()
            .fold(0_u64, |rest, digit| {
                (rest * 10 + u64::from(digit - b'0')) % 97
            });
        format!("DE{:02}{account}", 98 - rest)
    }

    fn base64(&mut self, length: usize) -> String {
        self.from(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            length,
        )
    }

    fn key(&mut self) -> String {
        let lines: Vec<String> = (0..8).map(|_| self.base64(64)).collect();
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            lines.join("\n")
        )
    }
}

const ALPHANUMERIC: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Values of an entity: each is put into sentences that do not name it, but where the form needs
/// that it does.
type Form = (&'static str, fn(&mut Random) -> (String, String, String));

fn alone(value: String) -> (String, String, String) {
    ("Look at ".to_owned(), value, ", please.".to_owned())
}

fn behind(before: &str, value: String) -> (String, String, String) {
    (before.to_owned(), value, String::new())
}

const ORDINARY: [Form; 28] = [
    ("email", |r| alone(r.email())),
    ("email", |r| behind("{\"to\":\"", r.email())),
    ("phone", |r| {
        alone(format!("+1415555{:04}", r.below(10_000)))
    }),
    ("phone", |r| {
        alone(format!("(415) 555-{:04}", r.below(10_000)))
    }),
    ("phone", |r| {
        alone(format!(
            "+44 20 7{:03} {:04}",
            r.below(1000),
            r.below(10_000)
        ))
    }),
    ("phone", |r| {
        behind("phone: ", format!("{}", 2_000_000 + r.below(7_000_000)))
    }),
    ("card", |r| alone(r.card())),
    ("card", |r| alone(r.grouped(" "))),
    ("card", |r| alone(r.grouped("-"))),
    ("ssn", |r| alone(r.ssn("-"))),
    ("ssn", |r| behind("my SSN is ", r.ssn(""))),
    ("iban", |r| alone(r.iban())),
    ("iban", |r| {
        let iban = r.iban();
        let groups: Vec<&str> = (0..6)
            .map(|at| &iban[at * 4..(at * 4 + 4).min(22)])
            .collect();
        alone(groups.join(" "))
    }),
    ("ip", |r| {
        alone(format!(
            "10.{}.{}.{}",
            r.below(256),
            r.below(256),
            r.below(256)
        ))
    }),
    ("ip", |r| {
        alone(format!(
            "2001:db8:{:x}:{:x}::{:x}",
            1 + r.below(65_535),
            1 + r.below(65_535),
            1 + r.below(65_535)
        ))
    }),
    ("aws_access_key", |r| {
        alone(format!(
            "AKIA{}",
            r.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        ))
    }),
    ("aws_secret_key", |r| {
        behind("aws_secret_access_key = ", format!("a1B{}", r.base64(37)))
    }),
    ("aws_secret_key", |r| {
        alone(format!("IQoJb3JpZ2lu{}", r.base64(400)))
    }),
    ("github_token", |r| {
        alone(format!("ghp_{}", r.from(ALPHANUMERIC, 36)))
    }),
    ("api_key", |r| {
        alone(format!("sk-proj-{}", r.from(ALPHANUMERIC, 48)))
    }),
    ("api_key", |r| {
        alone(format!("AIza{}", r.from(ALPHANUMERIC, 35)))
    }),
    ("slack_token", |r| {
        alone(format!(
            "xoxb-{}-{}",
            r.from("0123456789", 12),
            r.from(ALPHANUMERIC, 24)
        ))
    }),
    ("jwt", |r| {
        alone(format!(
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ{}.{}",
            r.from(ALPHANUMERIC, 40),
            r.from(ALPHANUMERIC, 86)
        ))
    }),
    ("private_key", |r| alone(r.key())),
    ("secret", |r| {
        behind("api_key = ", r.from("0123456789abcdef", 40))
    }),
    ("secret", |r| {
        behind("\"client_secret\": \"", r.from(ALPHANUMERIC, 32))
    }),
    ("secret", |r| {
        behind(
            "DB_PASSWORD=",
            format!("{}{}", r.word(), 100 + r.below(900)),
        )
    }),
    ("secret", |r| {
        let password = format!("{}{}", r.word(), 100 + r.below(900));
        let (user, host) = (r.word(), r.word());
        (format!("amqp://{user}:"), password, format!("@{host}:5672"))
    }),
];

/// Some of them are known to stay.
const ODD: [Form; 27] = [
    ("card", |r| {
        let groups = r.grouped(" ");
        alone(format!("{}\n{}", &groups[..9], &groups[10..]))
    }),
    ("card", |r| {
        let digits = r.card();
        let (front, rest) = digits.split_at(8);
        (
            String::new(),
            format!("{front} {rest}"),
            " is my card".to_owned(),
        )
    }),
    ("ssn", |r| {
        (String::new(), r.ssn(""), " (my SSN)".to_owned())
    }),
    ("ssn", |r| {
        (
            String::new(),
            r.ssn("/"),
            " is his social security number".to_owned(),
        )
    }),
    ("phone", |r| {
        let number = 2_000_000 + r.below(7_000_000);
        (String::new(), format!("{number}"), " (my cell)".to_owned())
    }),
    ("iban", |r| {
        let iban = r.iban();
        let groups: Vec<&str> = (0..6)
            .map(|at| &iban[at * 4..(at * 4 + 4).min(22)])
            .collect();
        alone(format!(
            "{}\n{}",
            groups[..3].join(" "),
            groups[3..].join(" ")
        ))
    }),
    ("private_key", |r| {
        let key = r.key();
        let (front, rest) = key.split_at(60);
        alone(format!("{front}\u{200b}{rest}"))
    }),
    ("email", |r| alone(r.email().replace('@', "&#64;"))),
    ("email", |r| alone(format!("伊藤{}", r.email()))),
    ("phone", |r| {
        let number = 2_000_000 + r.below(7_000_000);
        (String::new(), number.to_string(), " is my phone".to_owned())
    }),
    ("card", |r| alone(r.grouped("\n"))),
    ("ssn", |r| {
        (String::new(), r.ssn(""), " is my SSN".to_owned())
    }),
    ("iban", |r| alone(r.iban().replace("DE", "DE "))),
    ("email", |r| alone(r.email().replace('@', "%40"))),
    ("email", |r| alone(r.email().replace('@', "＠"))),
    ("email", |r| alone(r.email().replace('@', "\u{200b}@"))),
    ("phone", |r| {
        alone(format!("+1\u{200b}415\u{ad}555{:04}", r.below(10_000)))
    }),
    ("card", |r| alone(r.grouped("  "))),
    ("card", |r| alone(r.grouped("\u{200b}"))),
    ("card", |r| {
        let wide = |digit: u8| char::from_u32(0xFF10 + u32::from(digit - b'0')).unwrap();
        alone(r.card().bytes().map(wide).collect())
    }),
    ("ssn", |r| behind("SSN ", r.ssn(" - "))),
    ("ssn", |r| behind("{\"ssn\":", r.ssn("").replace('0', "1"))),
    ("iban", |r| alone(r.iban().to_lowercase())),
    ("aws_secret_key", |r| {
        behind("AKIAIOSFODNN7EXAMPLE:", format!("a1B{}", r.base64(37)))
    }),
    ("jwt", |r| {
        alone(format!(
            "eyAiYWxnIjogIkhTMjU2IiB9.eyAic3ViIjog{}.{}",
            r.from(ALPHANUMERIC, 40),
            r.from(ALPHANUMERIC, 43)
        ))
    }),
    ("private_key", |r| alone(r.key().replace('\n', "\n> "))),
    ("private_key", |r| {
        alone(r.key().replace('\n', "\\n\" +\n  \""))
    }),
];

type Negative = fn(&mut Random) -> String;

/// What is nothing, in sentences that do not say what it is.
const NEGATIVES: [Negative; 28] = [
    |r| {
        let numbers: Vec<String> = (0..12).map(|_| r.digits(4)).collect();
        numbers.join("\n")
    },
    |r| {
        format!(
            "{} is the number of his cards, {} is my best",
            r.digits(7),
            r.digits(9)
        )
    },
    |r| format!("seen {} twice", r.digits(16)),
    |r| format!("ean 4{}", r.digits(12)),
    |r| {
        let hex = r.from("0123456789abcdef", 32);
        let pairs: Vec<&str> = (0..16).map(|at| &hex[at * 2..at * 2 + 2]).collect();
        pairs.join(":")
    },
    |r| format!("0.{} and -0.{}", r.digits(9), r.digits(10)),
    |r| format!("loss {}.{}e-05", r.below(10), r.digits(16)),
    |r| format!("id {}", r.digits(10)),
    |r| format!("order {}", r.digits(16)),
    |r| {
        format!(
            "{{\"user_id\":{},\"data\":[{},{}]}}",
            r.digits(16),
            r.digits(16),
            r.digits(9)
        )
    },
    |r| {
        format!(
            "{}-{}-4{}-a{}-{}",
            r.from("0123456789abcdef", 8),
            r.from("0123456789abcdef", 4),
            r.from("0123456789abcdef", 3),
            r.from("0123456789abcdef", 3),
            r.from("0123456789abcdef", 12)
        )
    },
    |r| format!("sha256:{}", r.from("0123456789abcdef", 64)),
    |r| format!("commit {}", r.from("0123456789abcdef", 40)),
    |r| format!("cache_key={}", r.from("0123456789abcdef", 40)),
    |r| format!("\"next_page_token\": \"{}\"", r.base64(40)),
    |r| format!("\"tokens\": [{}, {}]", r.digits(5), r.digits(6)),
    |r| format!("password = os.environ[\"{}_{}\"]", r.word(), r.below(9)),
    |r| {
        format!(
            "https://{}.example:{}/@{}/x",
            r.word(),
            r.below(9999),
            r.word()
        )
    },
    |r| format!("etag \"{}\"", r.base64(44)),
    |r| {
        format!(
            "version {}.{}.{}.{}",
            r.below(20),
            r.below(20),
            r.below(20),
            r.below(20)
        )
    },
    |r| format!("v{}.{}.{}", r.below(20), r.below(20), r.below(300)),
    |r| {
        format!(
            "2026-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            1 + r.below(12),
            1 + r.below(28),
            r.below(24),
            r.below(60),
            r.below(60)
        )
    },
    |r| format!("at {}", 1_700_000_000_000 + r.below(99_999_999_999)),
    |r| {
        format!(
            "x[{}] = y[{}:{}] @ z.{}()",
            r.below(99),
            r.below(9),
            r.below(99),
            r.word()
        )
    },
    |r| {
        format!(
            "std::{}::{}, {}@{}.0",
            r.word(),
            r.word(),
            r.word(),
            r.below(20)
        )
    },
    |r| format!("$ {},{}.{}", r.digits(3), r.digits(3), r.digits(2)),
    |r| {
        format!(
            "sk-{}-{}-{} task-{}",
            r.word(),
            r.word(),
            r.word(),
            r.digits(16)
        )
    },
    |r| {
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            r.base64(64)
        )
    },
];

#[derive(Default, Clone, Copy)]
struct Score {
    values: usize,
    covered: usize,
    odd: usize,
    odd_covered: usize,
    right: usize,
    wrong: usize,
}

fn share(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = (part * 2000 + whole) / (whole * 2);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn measure() -> [Score; Entity::ALL.len()] {
    let mut scores = [Score::default(); Entity::ALL.len()];
    let mut random = Random(20_261_128);
    for (at, (name, form)) in ORDINARY.iter().chain(&ODD).enumerate() {
        let odd = at >= ORDINARY.len();
        for _ in 0..OF_EACH {
            let (before, value, after) = form(&mut random);
            let text = format!("{before}{value}{after}");
            let span = before.len()..before.len() + value.len();
            let findings = scan(&text, 0, "", EntitySet::all());
            let covered = findings.iter().any(|finding| {
                finding.entity.name() == *name
                    && finding.span.start <= span.start
                    && finding.span.end >= span.end
            });
            for finding in &findings {
                let touches = finding.span.start < span.end && finding.span.end > span.start;
                let score = &mut scores[usize::from(finding.entity.number())];
                // The id before a secret is one.
                let right = (touches && finding.entity.name() == *name)
                    || finding.entity == Entity::AwsAccessKey;
                score.right += usize::from(right);
                score.wrong += usize::from(!right);
            }
            let entity = Entity::ALL.iter().position(|entity| entity.name() == *name);
            let score = &mut scores[entity.unwrap()];
            score.values += usize::from(!odd);
            score.covered += usize::from(!odd && covered);
            score.odd += usize::from(odd);
            score.odd_covered += usize::from(odd && covered);
        }
    }
    for negative in NEGATIVES {
        for _ in 0..OF_EACH {
            for finding in scan(&negative(&mut random), 0, "", EntitySet::all()) {
                scores[usize::from(finding.entity.number())].wrong += 1;
            }
        }
    }
    scores
}

#[test]
fn the_readme_states_what_is_measured_and_that_is_no_less_than_it_was() {
    let mut table = String::from(
        "| entity | ordinary forms covered | odd forms covered | precision |\n|---|---|---|---|\n",
    );
    for (entity, score) in Entity::ALL.into_iter().zip(measure()) {
        // The others are measured with generators of other people's.
        if score.values == 0 {
            assert_eq!(score.wrong, 0, "{}", entity.name());
            continue;
        }
        writeln!(
            table,
            "| {} | {} of {} | {} | {} |",
            entity.name(),
            share(score.covered, score.values),
            score.values,
            match score.odd {
                0 => "–".to_owned(),
                odd => format!("{} of {odd}", share(score.odd_covered, odd)),
            },
            share(score.right, score.right + score.wrong),
        )
        .unwrap();
        assert!(score.covered * 1000 >= score.values * 990, "{table}");
        assert!(
            score.right * 1000 >= (score.right + score.wrong) * 900,
            "{table}"
        );
    }
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&table),
        "README.md has another table than\n{table}"
    );
}
