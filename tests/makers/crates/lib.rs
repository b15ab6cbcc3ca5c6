//! Nothing: the packages that this manifest names are read, not linked.
