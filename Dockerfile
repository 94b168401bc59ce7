# The attachment store, without Elasticsearch. docs/operations.md says how to run it; compose.yaml does.
#
#   docker build --build-arg VERSION=1.0.0 --tag attachment-store .
#
# Registries are those that the base image is configured for: nothing here names one.

FROM debian:bookworm-slim AS packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
# The locked requirements alone: this layer is built again only when they change.
COPY scripts/requirements/app.txt /tmp/requirements.txt
RUN python3 -m venv --without-pip /srv/venv \
    && python3 -m venv /tmp/pip \
    && /tmp/pip/bin/pip --python /srv/venv/bin/python install --quiet --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement /tmp/requirements.txt \
    && find /srv/venv -name tests -path '*/site-packages/*' -type d -prune -exec rm -rf {} + \
    && /srv/venv/bin/python -m compileall -q -j 0 /srv/venv

FROM debian:bookworm-slim
# git: its status is what a watched working copy is asked for. tesseract-ocr-eng: the data by which text in images is
# recognized, 4 MB; the program is in one of the packages above.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git python3 tesseract-ocr-eng \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 store \
    && useradd --uid 10001 --gid store --home-dir /data --no-create-home --shell /usr/sbin/nologin store \
    && install --directory --owner=store --group=store --mode=750 /data
COPY --from=packages /srv/venv /srv/venv/
WORKDIR /srv/attachment-store
COPY mappings mappings/
COPY app app/
# Compiled here: the root file system may be read-only when it runs.
RUN ["/srv/venv/bin/python", "-m", "compileall", "-q", "app"]

ARG VERSION=unknown
LABEL org.opencontainers.image.title="attachment-store" \
      org.opencontainers.image.description="A search-first file store" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"

ENV DATA=/data PATH=/srv/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER store:store
VOLUME /data
EXPOSE 9000
# Ready, not only alive: it is what a proxy in front waits for. Nothing restarts a container for being unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9000, timeout=4); \
        c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
# No shell between: gunicorn is the first process and gets the signals itself.
CMD ["python", "-m", "gunicorn", "-c", "python:app.server", "--bind", "0.0.0.0:9000", "app.wiring:create_app()"]
