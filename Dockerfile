# The page, then the program, then only what runs.
FROM node:22-bookworm-slim AS page
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS program
WORKDIR /src
COPY . .
COPY --from=page /src/web/dist web/dist
RUN cargo build --locked --profile dist -p counterweight-server

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data counterweight \
    && install -d -o counterweight -g counterweight -m 0700 /data
COPY --from=program /src/target/dist/counterweight /usr/local/bin/counterweight
USER counterweight
ENV COUNTERWEIGHT_LISTEN=0.0.0.0:8080 COUNTERWEIGHT_DATA=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["counterweight"]
CMD ["serve"]
