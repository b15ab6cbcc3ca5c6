//! Two builds in two directories give the same bytes. One filter stands for all: they are built
//! alike.

use modelgate_cli::build::reproduce::build_twice;
use modelgate_cli::build::{Profile, Workspace};

#[test]
fn a_filter_built_in_two_directories_has_the_same_bytes() {
    let workspace = Workspace::locate().unwrap();
    let pairs = build_twice(&workspace, &["audit-log"], Profile::Release).unwrap();
    assert_eq!(pairs.len(), 1);
    for pair in pairs {
        assert!(pair.same(), "{} differs: {:?}", pair.name, pair.sha256);
    }
}
