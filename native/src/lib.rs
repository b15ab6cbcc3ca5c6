//! Every filter of the suite as one Envoy dynamic module: a shared library that Envoy loads as
//! `envoy.filters.http.dynamic_modules`. No logic of its own; see `modelgate_kit::dynamic`.

/// Where its memory comes from.
#[global_allocator]
static MEMORY: modelgate_kit::dynamic::pool::Pool = modelgate_kit::dynamic::pool::Pool;

modelgate_kit::export_dynamic_module!(modelgate::FILTERS);
