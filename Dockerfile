# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /src
COPY . .
# The caches stay on the builder; the binary is copied out of the one that holds it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bin caigunn-bridge \
    && install -D target/dist/caigunn-bridge /out/caigunn-bridge \
    && install -d -m 0700 /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /out/caigunn-bridge /usr/local/bin/caigunn-bridge
# The database is readable by its owner alone: the folder belongs to the user that runs the bridge.
COPY --from=builder --chown=65532:65532 /out/data /data
ENV CAIGUNN_BRIDGE__STORE__PATH=/data/bridge.db \
    CAIGUNN_BRIDGE__SERVER__LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/caigunn-bridge"]
CMD ["run"]
