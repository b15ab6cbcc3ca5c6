//! The numbers of the proxy-wasm ABI 0.2.x: what host calls answer, and which map, buffer, stream
//! or metric they mean.
//!
//! A number that the ABI does not know is refused by `parse`, never guessed.

/// Why a host call was refused: every `proxy_status_t` that this host gives besides 0, `Ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// No such header, property, queue, metric, function.
    NotFound = 1,
    /// Not allowed with these arguments, or not now.
    BadArgument = 2,
    /// The value cannot be serialized.
    SerializationFailure = 3,
    /// The value cannot be parsed.
    ParseFailure = 4,
    /// A pointer of the guest leads outside its memory.
    InvalidMemoryAccess = 6,
    /// The queue is empty.
    Empty = 7,
    /// The compare-and-swap number is stale.
    CasMismatch = 8,
    /// Anything else that went wrong in the host.
    InternalFailure = 10,
    /// This host does not have it.
    Unimplemented = 12,
}

/// What a host call gives: a value, or the reason why not.
pub type HostResult<T> = Result<T, Status>;

impl Status {
    /// The raw number.
    pub const fn raw(self) -> u32 {
        self as u32
    }
}

macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant = $number,)+ }

        impl $name {
            /// Reads the raw number.
            ///
            /// # Errors
            /// [`Status::BadArgument`] for a number that the ABI does not know.
            pub const fn parse(raw: u32) -> HostResult<Self> {
                match raw {
                    $($number => Ok(Self::$variant),)+
                    _ => Err(Status::BadArgument),
                }
            }
        }
    };
}

numbered! {
    /// A map of names and values (`proxy_header_map_type_t`).
    MapKind {
        /// Headers of the request.
        RequestHeaders = 0,
        /// Trailers of the request.
        RequestTrailers = 1,
        /// Headers of the response.
        ResponseHeaders = 2,
        /// Trailers of the response.
        ResponseTrailers = 3,
        /// Initial metadata of a gRPC answer.
        GrpcInitialMetadata = 4,
        /// Trailing metadata of a gRPC answer.
        GrpcTrailingMetadata = 5,
        /// Headers of a callout's answer.
        CallHeaders = 6,
        /// Trailers of a callout's answer.
        CallTrailers = 7,
    }
}

numbered! {
    /// A buffer of bytes (`proxy_buffer_type_t`).
    BufferKind {
        /// Body of the request.
        RequestBody = 0,
        /// Body of the response.
        ResponseBody = 1,
        /// Bytes from a TCP client.
        DownstreamData = 2,
        /// Bytes from a TCP upstream.
        UpstreamData = 3,
        /// Body of a callout's answer.
        CallBody = 4,
        /// A gRPC message.
        GrpcMessage = 5,
        /// Configuration of the VM.
        VmConfiguration = 6,
        /// Configuration of the plugin.
        PluginConfiguration = 7,
        /// Argument of a foreign call.
        CallData = 8,
    }
}

numbered! {
    /// A stream (`proxy_stream_type_t`).
    StreamKind {
        /// The HTTP request.
        Request = 0,
        /// The HTTP response.
        Response = 1,
        /// The TCP connection of the client.
        Downstream = 2,
        /// The TCP connection to the upstream.
        Upstream = 3,
    }
}

numbered! {
    /// Kind of a metric (`proxy_metric_type_t`).
    MetricKind {
        /// Only grows.
        Counter = 0,
        /// Goes up and down.
        Gauge = 1,
        /// Collects samples.
        Histogram = 2,
    }
}

numbered! {
    /// Level of a log line (`proxy_log_level_t`).
    LogLevel {
        /// Finest.
        Trace = 0,
        /// For developers.
        Debug = 1,
        /// Normal course.
        Info = 2,
        /// Should be seen.
        Warn = 3,
        /// Must be acted on.
        Error = 4,
        /// The VM cannot continue.
        Critical = 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_the_abi_are_bad_arguments() {
        assert_eq!(MapKind::parse(7), Ok(MapKind::CallTrailers));
        assert_eq!(MapKind::parse(8), Err(Status::BadArgument));
        assert_eq!(BufferKind::parse(9), Err(Status::BadArgument));
        assert_eq!(StreamKind::parse(4), Err(Status::BadArgument));
        assert_eq!(MetricKind::parse(3), Err(Status::BadArgument));
        assert_eq!(LogLevel::parse(6), Err(Status::BadArgument));
    }
}
