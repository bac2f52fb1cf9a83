# One file for the four services; the versions of a service are one image with another environment.
# All images: docker buildx bake (docker-bake.hcl). One: docker build --build-arg SERVICE=ratings .
ARG NODE_IMAGE=node:26-bookworm-slim

# What the dependencies follow from. A change of the sources leaves this as it is, and with it the layer built on it.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS manifests
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages packages
COPY services services
RUN find packages services -type f -not -name package.json -delete && find . -type d -empty -delete

# The dependencies of all services together, so that the four images have this layer in common. They are JavaScript
# alone, so that one installation, on the machine that builds, serves every platform.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS dependencies
ARG PNPM_VERSION=12.21.0
# Both secrets are optional: `npmrc` for a private registry or a mirror, `ca` for the certificates of a company's proxy.
ENV NODE_USE_SYSTEM_CA=1
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/root/.npm \
    npm install --global --no-fund --no-update-notifier pnpm@${PNPM_VERSION}
WORKDIR /app
COPY --from=manifests /app .
# --trust-lockfile: the lock file was checked where it was made; the same one gives the same image whatever the day.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=cache,target=/pnpm/store \
    pnpm install --prod --frozen-lockfile --trust-lockfile --ignore-scripts \
      --filter '@bookinfo/*' --store-dir /pnpm/store --package-import-method copy
# Three quarters of it Node never loads: types, source maps, prose (licences stay), tests, builds for browsers, the other
# of two builds as CommonJS and as ES modules, names of attributes that are not stable yet, a parser of command lines.
RUN cd node_modules && rm .modules.yaml .pnpm-workspace-state-v1.json .pnpm/lock.yaml && cd .pnpm \
    && find . -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.tsbuildinfo' \
         -o -name '*.md' -not -iname 'licen[cs]e*' -o -name '*.html' -o -name '*-browser.js' -o -path '*/bson/lib/bson.[bnrm]*' \
         -o -path '*/semantic-conventions/dist/experimental_*' -o -path '*/semantic-conventions/dist/*-incubating.*' \
         \) -delete \
    && find . -type d \( -name test -o -name tests -o -name docs -o -name 'example*' -o -name 'bench*' -o -name .github \
         -o -name browser -o -name react-native -o -path '*/protobufjs/dist' -o -path '*/web-streams-polyfill/dist' \
         -o -path './yargs*' \
         \) -prune -exec rm -r {} + \
    && find . -path '*/dist/commonjs' -execdir rm -rf esm \; \
    && find ./@opentelemetry+* -name '*.mjs' \
         -not -regex '.*/@opentelemetry/\(api\|auto-instrumentations-node\|context-async-hooks\|core\|semantic-conventions\)/.*' \
         -exec sh -c 'for file; do [ ! -e "${file%.mjs}.cjs" ] || rm "$file"; done' sh {} + \
    && [ -z "$(find . -name '*.node')" ]

FROM ${NODE_IMAGE} AS runtime
# No package manager at run time.
RUN rm -r /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx
# V8 lets a young generation grow to tens of MB before it is worth collecting. 4 MB a half are a fifth less memory, for 4 %
# more CPU: docs/measurements.md.
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=4
WORKDIR /app
# Node runs TypeScript as it is, but not below node_modules: the image keeps the layout of the workspace.
COPY --from=dependencies /app .
COPY packages packages

FROM runtime
ARG SERVICE
COPY services/${SERVICE} services/${SERVICE}
# Tutorials call the other services from inside ratings.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    [ "$SERVICE" != ratings ] || { apt-get update && apt-get install --yes --no-install-recommends curl \
    && rm -r /var/cache/debconf /var/lib/dpkg/*-old /var/log/*; }
WORKDIR /app/services/${SERVICE}
USER 1000:1000
EXPOSE 9080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://localhost:${process.env.PORT || 9080}/health/ready`, { signal: AbortSignal.timeout(2000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--import", "@bookinfo/chassis/telemetry", "src/server.ts"]
LABEL org.opencontainers.image.title="bookinfo-ts/${SERVICE}" \
      org.opencontainers.image.description="Bookinfo in TypeScript: the service ${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"
