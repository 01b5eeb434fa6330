# syntax=docker/dockerfile:1
# docs/container.md says how to run it. Pinned by tag: whoever releases an image pins the digests they have tested.

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /src

# The dependencies, with an empty program in place of ours: a layer that only Cargo.toml and Cargo.lock change. It is a layer and not
# a cache mount because every builder keeps layers (buildah, kaniko, a CI's cache of images), and few keep mounts.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/bridge \
    && echo 'fn main() {}' >src/main.rs \
    && cp src/main.rs benches/bridge/main.rs \
    && touch src/lib.rs \
    && cargo build --profile dist --locked --bin caigunn-bridge

COPY src src
COPY docs/openapi.json docs/openapi.json
# `touch`: cargo goes by times, and the sources may be older than the empty program that was built above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --profile dist --locked --bin caigunn-bridge \
    && install -D target/dist/caigunn-bridge /out/caigunn-bridge \
    && install -d -m 0700 /out/data

# glibc, libgcc, CA certificates and a user without rights; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot

ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="caigunn-bridge" \
      org.opencontainers.image.description="A durable bridge between chat platforms and CaiGunn chatbots" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=builder /out/caigunn-bridge /usr/local/bin/caigunn-bridge
# The database is readable by its owner alone: the folder belongs to the user that runs the bridge.
COPY --from=builder --chown=65532:65532 /out/data /data

# Nothing but /data is written, temporary files included: the root file system may be read-only.
ENV CAIGUNN_BRIDGE__STORE__PATH=/data/bridge.db \
    CAIGUNN_BRIDGE__SERVER__LISTEN=0.0.0.0:8080 \
    TMPDIR=/data

# The number, so that an orchestrator can see that it is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Intake stops, what is in flight is finished within `server.grace_period`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/caigunn-bridge", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/caigunn-bridge"]
CMD ["run"]
