//! Copies `user-agent` to `x-out`, written with the kit. Its twin `bench-bare` does the same on
//! bare host calls and exports the same callbacks, so that the difference of the two is the kit.

use std::rc::Rc;

use modelgate_kit::config::{Problems, Setup};
use modelgate_kit::exchange::Exchange;
use modelgate_kit::filter::{Filter, Needs};
use modelgate_kit::problem::Reply;

/// The filter.
pub struct Copy;

/// It has nothing to configure.
#[derive(Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

impl Filter for Copy {
    const NAME: &'static str = "bench_kit";
    const NEEDS: Needs = Needs::NONE;
    type Config = Config;
    type Plan = ();

    fn compile(_: Config, _: &Setup<'_>, _: &mut Problems) -> Option<()> {
        Some(())
    }

    async fn handle(_: Rc<()>, exchange: Exchange) -> Result<(), Reply> {
        let request = exchange.request().headers()?;
        if let Some(agent) = request.first("user-agent") {
            exchange.request().set_header("x-out", agent)?;
        }
        Ok(())
    }
}

modelgate_kit::export!(Copy);
