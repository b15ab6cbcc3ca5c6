//! Every filter of the suite as one Envoy dynamic module: a shared library that Envoy loads as
//! `envoy.filters.http.dynamic_modules`. No logic of its own; see `modelgate_kit::dynamic`.

modelgate_kit::export_dynamic_module!(modelgate::FILTERS);
