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

# The dependencies of all services together, for the four builds that follow.
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

# What a service and its dependencies are made into is JavaScript alone: one build, on the machine that builds, serves
# every platform.
FROM dependencies AS build
# The bill of materials lists what is bundled from here.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
COPY packages packages
ARG SERVICE
COPY services/${SERVICE} services/${SERVICE}
RUN node packages/bundle/src/cli.ts ${SERVICE} /bundle

FROM ${NODE_IMAGE}
# No package manager at run time.
RUN rm -r /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx
ARG SERVICE
# Tutorials call the other services from inside ratings.
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    [ "$SERVICE" != ratings ] || { apt-get update && apt-get install --yes --no-install-recommends curl \
    && rm -r /var/cache/debconf /var/lib/dpkg/*-old /var/log/*; }
# V8 lets a young generation grow to tens of MB before it is worth collecting: 4 MB a half are a fifth less memory, for 4 %
# more CPU (docs/measurements.md). The whole heap it would let grow to 280 MB, beyond what the container may have. And malloc
# has an arena for each of Node's eleven threads, and gives less and less of what is freed back: two of them, and its first
# threshold for good, are an eighth less memory.
ENV NODE_ENV=production NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size=96" \
    MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
COPY --from=build /bundle .
USER 1000:1000
EXPOSE 9080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://localhost:${process.env.PORT || 9080}/health/ready`, { signal: AbortSignal.timeout(2000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--import", "./dist/register.js", "dist/server.js"]
LABEL org.opencontainers.image.title="bookinfo-ts/${SERVICE}" \
      org.opencontainers.image.description="Bookinfo in TypeScript: the service ${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"
