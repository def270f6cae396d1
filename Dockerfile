# The gate as an image.  Both base images are named by digest and have no default, so that nobody
# builds on whatever a tag means that day: `make release` writes the command with the digests.
#
#   PYTHON_IMAGE   a slim image of Python, what the gate runs on
#   BUILD_IMAGE    the image of the same Python with a C compiler, of which nothing is left
ARG PYTHON_IMAGE
ARG BUILD_IMAGE

FROM ${BUILD_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
ARG HEADGATE_COMMIT=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    HEADGATE_COMMIT=${HEADGATE_COMMIT} \
    HEADGATE_COMPILE=1
WORKDIR /build
COPY requirements/serve.lock requirements/build.lock requirements/
RUN python -m venv /opt/headgate \
 && /opt/headgate/bin/pip install --require-hashes --no-compile -r requirements/serve.lock \
 && python -m venv /build/tools \
 && /build/tools/bin/pip install --require-hashes -r requirements/serve.lock -r requirements/build.lock
COPY . .
RUN /build/tools/bin/python -m hatchling build --target wheel --directory /build/wheel \
 && /opt/headgate/bin/pip install --no-deps --no-index /build/wheel/*.whl \
 && /opt/headgate/bin/pip uninstall --yes pip \
 && /opt/headgate/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/headgate/lib \
 && install -d -o 10001 -g 10001 -m 0700 /build/data

FROM ${PYTHON_IMAGE} AS headgate
ARG HEADGATE_VERSION=""
ARG HEADGATE_COMMIT=""
LABEL org.opencontainers.image.title="Headgate" \
      org.opencontainers.image.description="An authenticating reverse proxy for self-hosted MLflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${HEADGATE_VERSION}" \
      org.opencontainers.image.revision="${HEADGATE_COMMIT}"
COPY --from=build /opt/headgate /opt/headgate
COPY --from=build --chown=10001:10001 /build/data /var/lib/headgate
ENV PATH=/opt/headgate/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/tmp \
    HEADGATE_DATA=/var/lib/headgate \
    HEADGATE_LISTEN__HOST=0.0.0.0 \
    HEADGATE_LISTEN__WORKERS=2
# Fails the build where the two images have different versions of Python.
RUN ["headgate", "--version"]
USER 10001:10001
WORKDIR /var/lib/headgate
VOLUME ["/var/lib/headgate", "/tmp"]
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["headgate", "health"]
ENTRYPOINT ["headgate"]
CMD ["serve"]
