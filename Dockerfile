# `make image` builds this with docker, podman or buildah. Both bases are arguments, so that they can come from a mirror of
# your own and be pinned by digest: docs/install.md, "The image".
ARG BUILD_IMAGE=docker.io/library/node:24-trixie-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

# Runs on the machine that builds, for whatever machine it builds: what comes out is JavaScript.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# The secret is optional: an .npmrc with the address, token and authority of a registry of your own. It gets into no layer.
RUN --mount=type=secret,id=npmrc NPM_CONFIG_USERCONFIG=/run/secrets/npmrc npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY hack/bundle hack/bundle
COPY hack/image hack/image
COPY src src
RUN node hack/image/main.ts contents /app

# Nothing is run in this stage: it needs no shell, and no emulator of another processor.
FROM ${RUNTIME_IMAGE}
ARG VERSION=0.0.0-dev
LABEL org.opencontainers.image.title="lablet-controller" \
      org.opencontainers.image.description="A Kubernetes operator for timed, graded network labs on Cisco Modeling Labs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Bases put Node into different places: distroless ones into /nodejs/bin.
ENV NODE_ENV=production \
    PATH=/nodejs/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /app
COPY --from=build /app /app
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
# Events in, operators (/healthz, /readyz, /metrics), the page with /archive and /schemas.
EXPOSE 8080 8081 8082
# For engines without probes; Kubernetes ignores it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/healthcheck.mjs"]
# The flags are those of hack/bundle/node-flags.ts.
ENTRYPOINT ["node", "--max-semi-space-size=4", "--heap-growing-percent=30", "/app/lablet-controller.mjs"]
