//! Servers that give the gateway a token of its own: a stand-in answers for each, since nobody is
//! called.

use std::collections::BTreeSet;

use modelgate_kit::http_url::HttpUrl;
use modelgate_scenario::engine::explained::Explained;

/// Readable as a token endpoint's answer, and, having no space in it, as a federated token.
const ANSWER: &[u8] =
    br#"{"access_token":"token-of-a-stand-in","token_type":"Bearer","expires_in":3600}"#;

/// Plays the servers; gives the sources, as upstream-auth calls them, whose tokens are not real.
pub fn play(explained: &mut Explained) -> BTreeSet<String> {
    let mut played = BTreeSet::new();
    let mut servers = Vec::new();
    for told in explained.at_start() {
        let data = &told.note.data;
        let text = |name: &str| data.get(name)?.as_str().map(str::to_owned);
        if told.note.step == "token_source"
            && let (Some(source), Some(url), Some(cluster)) =
                (text("source"), text("url"), text("cluster"))
            && let Some(url) = HttpUrl::parse(&url)
        {
            played.insert(source);
            servers.push((cluster, url));
        }
    }
    for (cluster, url) in servers {
        explained.serve(&cluster, &url, Some(ANSWER.to_vec()));
    }
    played
}
