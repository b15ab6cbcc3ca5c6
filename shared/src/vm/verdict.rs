//! Pause or Continue: the one place where it is decided.
//!
//! A filter pauses exactly while it awaits something that must come before the message may go on.
//! Every callback of the proxy asks [`verdict`], so that a body or trailers that arrive while a
//! callout is open cannot release the request (with `allow_on_headers_stop_iteration` Continue from
//! the body callback would).

use crate::host::Side;

/// What a filter's `handle` is suspended on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing: it has ended.
    Nothing,
    /// A callout's answer, or a signal from the background task.
    Answer(Side),
    /// The whole body of this side.
    Body(Side),
    /// The whole body of this side, whose headers go on.
    BodyAlone(Side),
    /// The next chunk of this side, which goes on as it is handled.
    Chunk(Side),
    /// The same, while what has been handled stays with the proxy.
    ChunkKept(Side),
    /// The response's headers.
    Response,
    /// The end of the exchange.
    End,
}

impl Wait {
    fn holds(self, side: Side, headers: bool) -> bool {
        match self {
            Wait::Answer(held) | Wait::Body(held) => held == side,
            Wait::BodyAlone(held) | Wait::ChunkKept(held) => held == side && !headers,
            Wait::Nothing | Wait::Chunk(_) | Wait::Response | Wait::End => false,
        }
    }
}

impl Wait {
    /// The same where headers that are held would wait for their body for ever: the body comes
    /// when they go on, and what comes after them waits for the body.
    pub fn letting_headers_go(self) -> Self {
        match self {
            Self::Body(side) => Self::BodyAlone(side),
            other => other,
        }
    }

    /// The same where a proxy does not hold responses: their bodies go on as they come, but for
    /// what was taken out of them.
    pub fn letting_responses_go(self) -> Self {
        match self {
            Self::Body(side @ Side::Response)
            | Self::BodyAlone(side @ Side::Response)
            | Self::ChunkKept(side @ Side::Response) => Self::Chunk(side),
            other => other,
        }
    }
}

/// What the proxy is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand the message on.
    Continue = 0,
    /// Keep it.
    Pause = 1,
}

/// Whether a reply was given by this filter, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replied {
    /// It was not.
    No,
    /// In the callback that is running.
    Now,
    /// In an earlier callback: what arrives on the response side now is that very reply.
    Before,
    /// It was, but the proxy did not take it: what arrives is still what was to be kept back.
    Untaken,
    /// It was to a response that has begun, where the proxy takes no reply any more: the response
    /// goes on, with other bytes.
    Instead,
}

/// The action for a callback on `side`; `headers` says that it is the one for headers. What any of
/// the `waits` holds is held.
pub fn verdict<const N: usize>(
    side: Side,
    headers: bool,
    waits: [Wait; N],
    replied: Replied,
) -> Action {
    match (replied, side) {
        // The message that was answered goes nowhere, whatever else of it arrives.
        (Replied::Now | Replied::Untaken, _) | (Replied::Before, Side::Request) => Action::Pause,
        // Our own reply on its way to the client: holding it would hang the client.
        (Replied::Before, Side::Response) => Action::Continue,
        (Replied::Instead, Side::Response) => Action::Continue,
        (Replied::Instead, Side::Request) => Action::Pause,
        (Replied::No, _) if waits.iter().any(|wait| wait.holds(side, headers)) => Action::Pause,
        (Replied::No, _) => Action::Continue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_callout_holds_every_part_of_the_request() {
        assert_eq!(
            verdict(
                Side::Request,
                false,
                [Wait::Answer(Side::Request), Wait::Nothing],
                Replied::No
            ),
            Action::Pause
        );
        assert_eq!(
            verdict(
                Side::Response,
                false,
                [Wait::Answer(Side::Request), Wait::Nothing],
                Replied::No
            ),
            Action::Continue
        );
    }

    #[test]
    fn a_reply_of_our_own_is_never_held() {
        for wait in [
            Wait::Nothing,
            Wait::Answer(Side::Response),
            Wait::Body(Side::Response),
            Wait::End,
        ] {
            assert_eq!(
                verdict(
                    Side::Response,
                    false,
                    [wait, Wait::Nothing],
                    Replied::Before
                ),
                Action::Continue
            );
            assert_eq!(
                verdict(Side::Request, false, [wait, Wait::Nothing], Replied::Before),
                Action::Pause
            );
            assert_eq!(
                verdict(Side::Request, false, [wait, Wait::Nothing], Replied::Now),
                Action::Pause
            );
        }
    }

    #[test]
    fn what_a_reply_was_to_keep_back_stays_held_where_the_proxy_did_not_take_it() {
        for side in [Side::Request, Side::Response] {
            for headers in [true, false] {
                assert_eq!(
                    verdict(side, headers, [Wait::Nothing; 2], Replied::Untaken),
                    Action::Pause
                );
            }
        }
    }

    #[test]
    fn streaming_and_waiting_for_the_answer_let_everything_pass() {
        for side in [Side::Request, Side::Response] {
            for wait in [
                Wait::Nothing,
                Wait::Chunk(Side::Request),
                Wait::Chunk(Side::Response),
                Wait::Response,
                Wait::End,
            ] {
                assert_eq!(
                    verdict(side, false, [wait; 2], Replied::No),
                    Action::Continue
                );
            }
        }
    }

    #[test]
    fn a_body_alone_is_held_and_its_headers_are_not() {
        for wait in [
            Wait::BodyAlone(Side::Response),
            Wait::ChunkKept(Side::Response),
        ] {
            for (part_is_headers, action) in [(true, Action::Continue), (false, Action::Pause)] {
                let wait = [wait, Wait::Nothing];
                assert_eq!(
                    verdict(Side::Response, part_is_headers, wait, Replied::No),
                    action
                );
                assert_eq!(
                    verdict(Side::Request, part_is_headers, wait, Replied::No),
                    Action::Continue
                );
            }
        }
    }

    #[test]
    fn where_headers_cannot_wait_for_the_body_it_alone_is_held() {
        let side = Side::Request;
        let wait = Wait::Body(side).letting_headers_go();
        for (part_is_headers, action) in [(true, Action::Continue), (false, Action::Pause)] {
            let waits = [wait, Wait::Nothing];
            assert_eq!(verdict(side, part_is_headers, waits, Replied::No), action);
        }
        let answer = Wait::Answer(side);
        assert_eq!(answer.letting_headers_go(), answer);
    }

    #[test]
    fn where_responses_cannot_be_held_nothing_of_them_is() {
        let side = Side::Response;
        for wait in [
            Wait::Body(side),
            Wait::BodyAlone(side),
            Wait::Chunk(side),
            Wait::ChunkKept(side),
        ] {
            assert_eq!(wait.letting_responses_go(), Wait::Chunk(side));
        }
        let request = Wait::Body(Side::Request);
        assert_eq!(request.letting_responses_go(), request);
    }

    #[test]
    fn a_response_with_other_bytes_goes_on_and_its_request_does_not() {
        for headers in [true, false] {
            let of = |side| verdict(side, headers, [Wait::Nothing; 2], Replied::Instead);
            assert_eq!(of(Side::Response), Action::Continue);
            assert_eq!(of(Side::Request), Action::Pause);
        }
    }

    #[test]
    fn each_half_of_the_work_holds_its_own_side() {
        let waits = [
            Wait::BodyAlone(Side::Response),
            Wait::BodyAlone(Side::Request),
        ];
        for side in [Side::Request, Side::Response] {
            assert_eq!(verdict(side, false, waits, Replied::No), Action::Pause);
            assert_eq!(verdict(side, true, waits, Replied::No), Action::Continue);
        }
        let waits = [Wait::Response, Wait::Body(Side::Request)];
        assert_eq!(
            verdict(Side::Request, false, waits, Replied::No),
            Action::Pause
        );
        assert_eq!(
            verdict(Side::Response, true, waits, Replied::No),
            Action::Continue
        );
    }
}
