//! Decides, from what the proxy knows at the end of an exchange, in which of five ways it ended.
//!
//! The order of the questions is the order of the answers below: a denial stays a denial when the
//! client then hangs up. Response flags are Envoy's (`envoy/stream_info/stream_info.h`,
//! `CoreResponseFlag`; a property of 64 bits, one a flag); a host without them gives 0, and status
//! and answerer alone decide.

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The chain let the request through, and the upstream (or a route's direct answer) answered
    /// it.
    Allowed,
    /// A filter of the gateway refused the request, or withheld the answer.
    Denied,
    /// The upstream could not be reached, broke off, took too long, or answered with a 5xx status.
    UpstreamFailed,
    /// The client left before it had the whole answer.
    ClientGone,
    /// The proxy itself answered with an error: no route, a broken request, a limit of the proxy,
    /// overload.
    LocalError,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [
        Self::Allowed,
        Self::Denied,
        Self::UpstreamFailed,
        Self::ClientGone,
        Self::LocalError,
    ];

    /// The word that stands in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
            Self::LocalError => "local_error",
        }
    }
}

/// What is known when an exchange has ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// A filter of this gateway left a denial as its decision.
    pub denied: bool,
    /// The status that was sent to the client; `None` if none was sent.
    pub status: Option<u16>,
    /// Envoy's response flags, 0 where the host has none.
    pub flags: Flags,
    /// The answer's head came from the upstream, not from the proxy.
    pub from_upstream: bool,
}

impl Ending {
    /// The way in which the exchange ended.
    pub fn outcome(&self) -> Outcome {
        let refusal = matches!(self.status, Some(401 | 403 | 407 | 429)) && !self.from_upstream;
        let upstream_error = self.from_upstream && self.status.is_some_and(|status| status >= 500);
        if self.denied || self.flags.any(Flags::REFUSED) {
            Outcome::Denied
        } else if self.flags.any(Flags::CLIENT_GONE) {
            Outcome::ClientGone
        } else if self.flags.any(Flags::UPSTREAM) || upstream_error {
            Outcome::UpstreamFailed
        } else if refusal {
            // Another vendor's filter, or one of Envoy's own.
            Outcome::Denied
        } else if self.status.is_none() {
            Outcome::ClientGone
        } else if !self.from_upstream && self.status.is_some_and(|status| status >= 400) {
            Outcome::LocalError
        } else {
            Outcome::Allowed
        }
    }
}

/// Envoy's response flags as one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u64);

/// Short names as Envoy's access log writes them, by bit.
const NAMES: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC",
    "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
    "UDO",
];

impl Flags {
    /// Refused by one of Envoy's own filters: rate limited (11), external authorization (12).
    const REFUSED: Self = Self(1 << 11 | 1 << 12);
    /// The downstream connection or stream was ended by the client: DC (14), DR (28).
    const CLIENT_GONE: Self = Self(1 << 14 | 1 << 28);
    /// UH, UT, LR, UR, UF, UC, UO (1 to 7), URX (15), UMSDR (19), UPE (23), NC (24), DF (26), DO
    /// (27), UDO (29).
    const UPSTREAM: Self =
        Self(0b1111_1110 | 1 << 15 | 1 << 19 | 1 << 23 | 1 << 24 | 1 << 26 | 1 << 27 | 1 << 29);

    fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// The flags' short names, as Envoy's access log writes them. Bits without a name here
    /// (extensions register more) are left out.
    pub fn names(self) -> Vec<&'static str> {
        let set = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1);
        set.map(|(_, name)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UF: Flags = Flags(1 << 5);
    const DC: Flags = Flags(1 << 14);

    fn ending(denied: bool, status: u16, flags: Flags, from_upstream: bool) -> Outcome {
        Ending {
            denied,
            status: (status > 0).then_some(status),
            flags,
            from_upstream,
        }
        .outcome()
    }

    #[test]
    fn each_ending_has_its_outcome() {
        let none = Flags::default();
        for (denied, status, flags, from_upstream, outcome) in [
            (false, 200, none, true, Outcome::Allowed),
            (false, 404, none, true, Outcome::Allowed),
            (false, 403, none, true, Outcome::Allowed),
            (false, 200, none, false, Outcome::Allowed),
            (true, 403, none, false, Outcome::Denied),
            (true, 503, none, false, Outcome::Denied),
            (true, 200, DC, true, Outcome::Denied),
            (true, 0, DC, false, Outcome::Denied),
            (false, 403, none, false, Outcome::Denied),
            (false, 429, Flags(1 << 11), false, Outcome::Denied),
            (false, 500, none, true, Outcome::UpstreamFailed),
            (false, 503, UF, false, Outcome::UpstreamFailed),
            (false, 200, Flags(1 << 6), true, Outcome::UpstreamFailed),
            (false, 504, Flags(1 << 2), false, Outcome::UpstreamFailed),
            (false, 0, DC, false, Outcome::ClientGone),
            (false, 200, DC, true, Outcome::ClientGone),
            (false, 0, none, false, Outcome::ClientGone),
            (false, 404, Flags(1 << 8), false, Outcome::LocalError),
            (false, 413, none, false, Outcome::LocalError),
            (false, 408, Flags(1 << 16), false, Outcome::LocalError),
        ] {
            assert_eq!(
                ending(denied, status, flags, from_upstream),
                outcome,
                "{status} {:?}",
                flags.names()
            );
        }
    }

    #[test]
    fn flags_are_named_as_in_the_access_log() {
        assert_eq!(Flags(1 << 5 | 1 << 15).names(), ["UF", "URX"]);
        assert!(Flags(0).names().is_empty());
        assert!(Flags(1 << 63).names().is_empty());
        assert_eq!(Flags(u64::MAX).names().len(), 30);
    }
}
