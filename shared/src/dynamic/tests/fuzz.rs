//! Hooks in any order, with any content: every one of them comes back, nothing is read or written
//! that is not there, and a request that is to be refused never goes on.
//!
//! `MODELGATE_FUZZ_EXCHANGES` makes it longer. Under AddressSanitizer (docs/native.md says how) it
//! shows what else would stay unseen.

use super::*;

const PATHS: [&str; 7] = [
    "/", "/refused", "/body", "/wait", "/call", "/profile", "/other",
];

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let most = [1, 40, 2_500, 70_000][self.below(4)];
        vec![self.below(256) as u8; self.below(most)]
    }
}

struct Running<'a> {
    flow: Flow<'a>,
    path: &'static str,
}

impl Running<'_> {
    fn step(&self, random: &mut Random) {
        let (flow, hooks) = (&self.flow, self.flow.gate.hooks);
        let (filter, exchange) = (flow.filter.ptr(), flow.exchange);
        match random.below(9) {
            0 | 1 => self.requests(Part::Headers(random.coin())),
            2 | 3 => {
                flow.filter.one_buffer.set(random.below(8) == 0);
                flow.filter.arrives(Side::Request, &random.bytes());
                self.requests(Part::Body(random.below(99), random.coin()));
            }
            4 => self.requests(Part::Trailers),
            5 => {
                flow.filter.arrives(Side::Response, &random.bytes());
                let part = [
                    Part::Headers(random.coin()),
                    Part::Body(0, random.coin()),
                    Part::Trailers,
                ][random.below(3)];
                flow.message(Side::Response, part);
            }
            6 => flow.scheduled(),
            7 => {
                let body = random.bytes();
                let (headers, chunks) = (
                    vec![Pair::of(b":status", b"200"); random.below(200)],
                    [Buf::of(&body), Buf::NULL, Buf::of(&body)],
                );
                let mut answer = raw(&headers, &chunks[..random.below(4)]);
                answer.result = random.below(2) as u32;
                // SAFETY: as Envoy calls it.
                unsafe { hooks.answer(filter, exchange, random.below(3) as u64, answer) };
            }
            _ => {
                // SAFETY: as Envoy calls it.
                unsafe { hooks.complete(filter, exchange) };
            }
        }
    }

    fn requests(&self, part: Part) {
        let told = self.flow.message(Side::Request, part);
        assert!(told == STOP || told == CONTINUE);
        if self.path == "/refused" {
            assert_eq!(told, STOP, "{part:?}");
        }
    }
}

fn begun<'a>(gate: &'a Gate, random: &mut Random) -> Running<'a> {
    // A panic now and then: the worker's VM is another one afterwards.
    let path = match random.below(400) {
        0 => "/panic",
        other => PATHS[other % PATHS.len()],
    };
    let flow = gate.begin(path);
    if random.below(20) == 0 {
        let mut headers = flow.filter.maps[0].borrow_mut();
        for at in 0..random.below(300) {
            headers.push((format!("x-{at}"), random.bytes()));
        }
    }
    Running { flow, path }
}

#[test]
fn hooks_in_any_order_touch_only_what_is_theirs() {
    let asked = std::env::var("MODELGATE_FUZZ_EXCHANGES").ok();
    let exchanges: usize = asked.map_or(1_500, |asked| asked.parse().unwrap());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut begins, mut steps) = (0, 0);
    while begins < exchanges {
        let gate = Gate::open([38, 39, 40][random.below(3)]);
        let mut running: Vec<Running<'_>> = Vec::new();
        for _ in 0..2_000 {
            match random.below(12) {
                0 | 1 if running.len() < 12 => {
                    running.push(begun(&gate, &mut random));
                    begins += 1;
                }
                2 if !running.is_empty() => {
                    drop(running.swap_remove(random.below(running.len())));
                }
                3 => {
                    for worker in gate.entry().workers() {
                        worker.desk().claim(u64::MAX - 1);
                    }
                    gate.main();
                }
                4 => gate.answer(random.below(40) as u64, &random.bytes()),
                _ if !running.is_empty() => {
                    running[random.below(running.len())].step(&mut random);
                    steps += 1;
                }
                _ => {}
            }
        }
    }
    println!("{begins} exchanges, {steps} hooks");
}
