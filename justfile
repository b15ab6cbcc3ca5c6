# Every recipe is a call of the `modelgate` tool; `just` is a convenience, not a requirement.

# List the recipes.
default:
    @just --list

# Start a gateway with everything around it and take the guided tour.
demo *ARGS:
    cargo modelgate demo {{ARGS}}

# Everything that CI checks.
test *ARGS:
    cargo modelgate test {{ARGS}}

# Build the filters into target/modelgate/.
build *ARGS:
    cargo modelgate build {{ARGS}}

# Check an Envoy configuration.
check *FILES:
    cargo modelgate check {{FILES}}

# Rewrite the generated files.
generate:
    cargo modelgate generate

# Measure, and write docs/performance.md.
bench *ARGS:
    cargo modelgate bench {{ARGS}}
