# The service as an image: Node, the production dependencies and the sources, which Node runs as they are. No compiler, no
# npm at run time, no root. Everything is set by AEP_LEDGER_… variables; secrets come as files (AEP_LEDGER_…_FILE).

ARG NODE_VERSION=24.21.0

FROM node:${NODE_VERSION}-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Binaries come inside the packages: no install script is needed, so none is run.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
# The engine of the embedded search is nine tenths of the image. `no` leaves it out: then AEP_LEDGER_CLICKHOUSE_URL must
# name a server, or AEP_LEDGER_SEARCH be `off`.
ARG EMBEDDED_CLICKHOUSE=yes
RUN if [ "$EMBEDDED_CLICKHOUSE" = no ]; then rm -rf node_modules/@chdb; fi

FROM node:${NODE_VERSION}-bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="aep-ledger" \
      org.opencontainers.image.description="A tamper-evident ledger of what AI agents were allowed to do, what they did, and what changed in between." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
    AEP_LEDGER_HOST=0.0.0.0 \
    AEP_LEDGER_PORT=8080 \
    AEP_LEDGER_DATA_DIR=/var/lib/aep-ledger
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules/
COPY package.json LICENSE ./
COPY src src/
COPY infra/clickhouse/migrations infra/clickhouse/migrations/
# A named volume that is mounted here takes over the owner.
RUN install -d -o node -g node -m 0700 /var/lib/aep-ledger
# By number, so that Kubernetes can see that it is not root: `node` of the base image.
USER 1000:1000
EXPOSE 8080
# What was taken is finished first: the service ends within 60 s.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.AEP_LEDGER_PORT}/livez`, { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/cli/main.ts"]
CMD ["serve"]
