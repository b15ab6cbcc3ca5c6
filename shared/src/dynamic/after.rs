//! What is done for an exchange when the VM has been left, because it may call hooks at once; and
//! the refusals that no filter words.

use super::envoy::Stream;
use crate::host::Side;
use crate::problem::dialect::Shape;
use crate::problem::{REASON_HEADER, Reason, Reply};

crate::reasons! { "native";
    PANICKED = 500 "panicked", "The gateway could not process this request.",
        "A filter of the dynamic module has panicked: a defect, please report it with the place that Envoy's log names. The worker has been given a new VM; requests that the old one held were refused as well.";
    UNAVAILABLE = 500 "unavailable", "The gateway could not process this request.",
        "The dynamic module has no VM for this worker: its configuration was refused there, or filters have panicked twice within a second. Envoy's log says which.";
}

/// What is done.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// A side goes on.
    Resume(Side),
    /// The exchange is answered.
    Reply {
        /// HTTP status.
        status: u16,
        /// Response-code details.
        details: String,
        /// Headers.
        headers: Vec<(String, Vec<u8>)>,
        /// Body.
        body: Vec<u8>,
    },
}

impl After {
    /// A refusal for this reason.
    pub fn refusal(reason: &'static Reason) -> Self {
        let reply = Reply::new(reason);
        let (kind, body) = Shape::Problem.render(&reply);
        let mut headers = vec![(REASON_HEADER.to_owned(), reason.code.as_bytes().to_vec())];
        headers.extend(kind.map(|kind| ("content-type".to_owned(), kind.as_bytes().to_vec())));
        Self::Reply {
            status: reason.status,
            details: reply.details(reason.filter),
            headers,
            body,
        }
    }

    /// Does it.
    pub fn perform(self, stream: Stream) {
        match self {
            Self::Resume(side) => stream.resume(side),
            Self::Reply {
                status,
                details,
                headers,
                body,
            } => {
                let headers: Vec<(&str, &[u8])> = headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_slice()))
                    .collect();
                stream.reply(status, &details, &headers, &body);
            }
        }
    }
}
