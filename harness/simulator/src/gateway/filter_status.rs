//! What filters make of frames, in the words of Envoy's `envoy/http/filter.h`, and how the numbers
//! that proxy-wasm guests return become these.
//!
//! The numbers are read as proxy-wasm-cpp-host reads them (src/context.cc,
//! `convertVmCallResultToFilterHeadersStatus` and its two siblings) and then as Envoy does
//! (source/extensions/common/wasm/context.cc, `convertFilterHeadersStatus` and its siblings). A
//! guest that returns nothing, or has no such callback, continues.

/// What a callback returned, and whether the frame is stopped whatever that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    /// The number; `None` when the guest has no such export.
    pub value: Option<u32>,
    /// The guest sent a local response meanwhile (`isNextIterationStopped`).
    pub stop_iteration: bool,
}

/// What stands for the verdict of a filter that is not asked: the frame passes.
pub(super) const NOT_ASKED: Returned = Returned {
    value: None,
    stop_iteration: false,
};

/// What a filter made of headers (`Http::FilterHeadersStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterHeadersStatus {
    Continue,
    /// The headers stop; data and trailers are still shown to this filter.
    StopIteration,
    /// Everything stops. What is buffered beyond the limit makes the message too large.
    StopAllIterationAndBuffer,
    /// Everything stops. What is buffered beyond the limit makes the sender wait.
    StopAllIterationAndWatermark,
}

/// What a filter made of data (`Http::FilterDataStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterDataStatus {
    Continue,
    StopIterationAndBuffer,
    StopIterationAndWatermark,
    /// The data is dropped.
    StopIterationNoBuffer,
}

/// What a filter made of trailers (`Http::FilterTrailersStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterTrailersStatus {
    Continue,
    StopIteration,
}

/// Where a filter has left the iteration of a message
/// (source/common/http/filter_manager.h, `ActiveStreamFilterBase::IterationState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IterationState {
    #[default]
    Continue,
    /// Stopped; the frames that follow are still shown to the filter.
    StopSingleIteration,
    /// Stopped, and nothing is shown to the filter until it continues; too much data is refused.
    StopAllBuffer,
    /// The same, but too much data makes the sender wait.
    StopAllWatermark,
}

impl IterationState {
    /// Whether nothing is shown to the filter.
    pub fn stopped_all(self) -> bool {
        matches!(self, Self::StopAllBuffer | Self::StopAllWatermark)
    }
}

impl FilterHeadersStatus {
    /// The status of a number that a headers callback returned. 1, `StopIteration`, stops
    /// everything unless `allow_on_headers_stop_iteration`; 2, `ContinueAndEndStream`, is not known
    /// to Envoy any more and continues.
    pub fn of(returned: Returned, allow_on_headers_stop_iteration: bool) -> Self {
        match returned.value {
            None => Self::Continue,
            Some(_) if returned.stop_iteration => Self::StopAllIterationAndWatermark,
            Some(0 | 2) => Self::Continue,
            Some(1) if allow_on_headers_stop_iteration => Self::StopIteration,
            Some(3) => Self::StopAllIterationAndBuffer,
            Some(_) => Self::StopAllIterationAndWatermark,
        }
    }

    /// Where this leaves the iteration.
    pub fn iteration_state(self) -> IterationState {
        match self {
            Self::Continue => IterationState::Continue,
            Self::StopIteration => IterationState::StopSingleIteration,
            Self::StopAllIterationAndBuffer => IterationState::StopAllBuffer,
            Self::StopAllIterationAndWatermark => IterationState::StopAllWatermark,
        }
    }
}

impl FilterDataStatus {
    /// The status of a number that a body callback returned.
    pub fn of(returned: Returned) -> Self {
        match returned.value {
            None => Self::Continue,
            Some(_) if returned.stop_iteration => Self::StopIterationNoBuffer,
            Some(0) => Self::Continue,
            Some(1) => Self::StopIterationAndBuffer,
            Some(2) => Self::StopIterationAndWatermark,
            Some(_) => Self::StopIterationNoBuffer,
        }
    }
}

impl FilterTrailersStatus {
    /// The status of a number that a trailers callback returned.
    pub fn of(returned: Returned) -> Self {
        match returned.value {
            None => Self::Continue,
            Some(0) if !returned.stop_iteration => Self::Continue,
            Some(_) => Self::StopIteration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(value: u32) -> Returned {
        Returned {
            value: Some(value),
            stop_iteration: false,
        }
    }

    fn after_a_local_response(value: u32) -> Returned {
        Returned {
            stop_iteration: true,
            ..returned(value)
        }
    }

    const NO_SUCH_CALLBACK: Returned = Returned {
        value: None,
        stop_iteration: true,
    };

    #[test]
    fn numbers_of_headers_callbacks_are_read_as_envoy_reads_them() {
        use FilterHeadersStatus::*;
        let default = |value| FilterHeadersStatus::of(returned(value), false);
        assert_eq!(
            [0, 1, 2, 3, 4, 5, u32::MAX].map(default),
            [
                Continue,
                StopAllIterationAndWatermark,
                Continue,
                StopAllIterationAndBuffer,
                StopAllIterationAndWatermark,
                StopAllIterationAndWatermark,
                StopAllIterationAndWatermark,
            ]
        );
        let allowed = |value| FilterHeadersStatus::of(returned(value), true);
        assert_eq!(
            [0, 1, 5].map(allowed),
            [Continue, StopIteration, StopAllIterationAndWatermark]
        );
        assert_eq!(
            FilterHeadersStatus::of(after_a_local_response(0), true),
            StopAllIterationAndWatermark
        );
        assert_eq!(FilterHeadersStatus::of(NO_SUCH_CALLBACK, true), Continue);
    }

    #[test]
    fn numbers_of_body_callbacks_are_read_as_envoy_reads_them() {
        use FilterDataStatus::*;
        assert_eq!(
            [0, 1, 2, 3, 4].map(|value| FilterDataStatus::of(returned(value))),
            [
                Continue,
                StopIterationAndBuffer,
                StopIterationAndWatermark,
                StopIterationNoBuffer,
                StopIterationNoBuffer,
            ]
        );
        assert_eq!(
            FilterDataStatus::of(after_a_local_response(1)),
            StopIterationNoBuffer
        );
        assert_eq!(FilterDataStatus::of(NO_SUCH_CALLBACK), Continue);
    }

    #[test]
    fn numbers_of_trailers_callbacks_are_read_as_envoy_reads_them() {
        use FilterTrailersStatus::*;
        assert_eq!(
            [0, 1, 2].map(|value| FilterTrailersStatus::of(returned(value))),
            [Continue, StopIteration, StopIteration]
        );
        assert_eq!(
            FilterTrailersStatus::of(after_a_local_response(0)),
            StopIteration
        );
        assert_eq!(FilterTrailersStatus::of(NO_SUCH_CALLBACK), Continue);
    }

    #[test]
    fn a_status_of_headers_says_where_the_iteration_stands() {
        let states = [0, 1, 3, 4]
            .map(|value| FilterHeadersStatus::of(returned(value), true).iteration_state());
        assert_eq!(
            states,
            [
                IterationState::Continue,
                IterationState::StopSingleIteration,
                IterationState::StopAllBuffer,
                IterationState::StopAllWatermark,
            ]
        );
        assert_eq!(
            states.map(IterationState::stopped_all),
            [false, false, true, true]
        );
    }
}
