//! Standard output that nobody reads any more, as in `modelgate demo | head`.

use std::panic::PanicHookInfo;

use modelgate_envoy::child;

/// What a shell gives for a program that SIGPIPE has ended.
const BROKEN_PIPE: i32 = 128 + 13;

/// From now on a line that cannot be printed because the pipe is closed ends this process, and its
/// children, without a word.
///
/// Rust has SIGPIPE ignored, so that the write fails and `println!` panics. The signal is not
/// switched on again: it would end a gateway or a server of ours when a peer closes its connection.
pub fn end_quietly_when_nobody_reads() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if is_broken_pipe(info) {
            child::end_all();
            std::process::exit(BROKEN_PIPE);
        }
        shown(info);
    }));
}

/// As `std::io::stdio::print_to` says it: "failed printing to stdout: Broken pipe (os error 32)".
fn is_broken_pipe(info: &PanicHookInfo<'_>) -> bool {
    info.payload_as_str().is_some_and(|message| {
        message.starts_with("failed printing to std") && message.contains("(os error 32)")
    })
}
