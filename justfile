# `just` lists the recipes.

[private]
default:
    @just --list --unsorted

# the bridge with an embedded sandbox: prints a curl line to talk with
demo *args:
    cargo run -- demo {{ args }}

# all tests, or those whose names contain a word
test *args:
    cargo test {{ args }}

# format the code
fmt:
    cargo fmt

# warnings are errors
lint:
    cargo clippy --all-targets -- -D warnings

# make requests out of docs/openapi.json and check the answers
fuzz:
    cargo build
    PYTHON_TOOLS="$(.ci/tools)" .ci/fuzz

# write the generated files again (example configuration, schema, references)
generated:
    UPDATE_GENERATED=1 cargo test generated

# licences, banned crates, sources and (where the database can be had) advisories of the dependencies
deny:
    .ci/deny

# the load generator; prints ratios to the floor
bench *args:
    cargo bench {{ args }}

# 20,000 Telegram updates, then as many Discord messages, through the release binary: nothing lost, flat memory; takes a minute
# beside the build
soak count="20000":
    SOAK_UPDATES={{ count }} SOAK_MESSAGES={{ count }} cargo test --release --test it ::soak:: -- --nocapture --test-threads 1

# what CI runs
ci:
    .ci/run
