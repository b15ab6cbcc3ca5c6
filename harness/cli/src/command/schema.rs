//! `modelgate schema`: the JSON Schema of a filter's configuration, of a chain's in one entry or in
//! the native form, of scenario files or of gateway files.

use std::process::ExitCode;

use crate::SUITE;
use crate::gateway;
use crate::generate::{GATEWAY, SCENARIO};
use anyhow::{Context, Result};
use clap::Args;
use modelgate_kit::config;
use modelgate_kit::vm::CHAIN;
use modelgate_scenario::file::schema as scenario_schema;
use serde_json::Value as Json;

/// A chain in the native form.
const NATIVE: &str = "native";

/// Print the JSON Schema (draft 2020-12) of a filter's configuration, of a chain's in one entry or
/// in the native form, of scenario files or of gateway files.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The filter: its crate, its name or its module (`jwt-auth`, `jwt_auth`, `jwt_auth.wasm`);
    /// `chain`; `native`, for the `filter_config` of a chain in the native form; `scenario`; or
    /// `gateway`.
    #[arg(value_name = "FILTER")]
    filter: String,
}

/// Prints it; see [`Arguments`].
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let schema = match arguments.filter.as_str() {
        CHAIN => SUITE.chain_schema(),
        NATIVE => native(),
        SCENARIO => scenario_schema(&SUITE),
        GATEWAY => gateway::schema(),
        filter => {
            let member = SUITE.member(filter).with_context(|| {
                let known: Vec<&str> = SUITE.filters().iter().map(|member| member.krate).collect();
                format!(
                    "there is no filter {filter:?}; there are {}, `{CHAIN}`, `{NATIVE}`, `{SCENARIO}` and `{GATEWAY}`",
                    known.join(", ")
                )
            })?;
            (member.filter.schema)()
        }
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}

/// What the chain reads, and what the library reads besides.
fn native() -> Json {
    let mut whole = SUITE.chain_schema();
    let own = config::schema::native();
    for part in ["properties", "$defs"] {
        let members = own.get(part).and_then(Json::as_object);
        if let (Some(members), Some(into)) =
            (members, whole.get_mut(part).and_then(Json::as_object_mut))
        {
            into.extend(members.clone());
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use located_yaml::Node;

    #[test]
    fn the_configuration_that_users_copy_is_valid_and_a_bent_one_is_not() {
        let file = include_str!("../../../../envoy/sagemaker-native.yaml");
        let file = Node::parse(file).unwrap().to_json();
        let config = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
                      /http_filters/0/typed_config/filter_config/value";
        let mut config = file.pointer(config).unwrap().clone();
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("native", native()).unwrap();
        let native = compiler.compile("native", &mut schemas).unwrap();
        schemas.validate(&config, native).unwrap();
        config["environment_variables"]["host_env_kees"] = Json::Array(Vec::new());
        assert!(schemas.validate(&config, native).is_err());
    }
}
