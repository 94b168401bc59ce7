# The attachment store, without Elasticsearch. docs/operations.md says how to run it; compose.yaml does.
#
#   docker build --build-arg VERSION=1.0.0 --tag attachment-store .
#
# Registries are those that the base image is configured for: nothing here names one.

# By its content, so that a tag that moves changes nothing; docs/operations.md says how to take a newer one.
ARG BASE=debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171
FROM $BASE AS packages
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
# The locked requirements alone: this layer is built again only when they change. olefile2.py is for Python 2, which nothing
# loads, and the one file that does not compile. xberg.libs has the libraries once more that lie beside xberg's module, 30 MB.
# The module of rars has its table of symbols in it, 29 MB, which only a debugger reads. pyuca has the tables of earlier versions
# of Unicode, 7 MB; numpy what compiles Fortran and C for it, 5 MB. botocore describes all of Amazon's services, 28 MB; the
# object store and its credentials need a few of them.
COPY scripts/requirements/app.txt /tmp/requirements.txt
RUN python3 -m venv --without-pip /srv/venv \
    && python3 -m venv /tmp/pip \
    && /tmp/pip/bin/pip --python /srv/venv/bin/python install --quiet --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement /tmp/requirements.txt \
    && find /srv/venv -name tests -path '*/site-packages/*' -type d -prune -exec rm -rf {} + \
    && find /srv/venv -name olefile2.py -delete \
    && rm -rf /srv/venv/lib/python3*/site-packages/xberg.libs \
    && rm -f /srv/venv/lib/python3*/site-packages/pyuca/allkeys-[5-9].*.txt \
    && rm -rf /srv/venv/lib/python3*/site-packages/numpy/f2py /srv/venv/lib/python3*/site-packages/numpy/distutils \
    && find /srv/venv/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name signin ! -name 'sso*' -exec rm -rf {} + \
    && strip --strip-unneeded /srv/venv/lib/python3*/site-packages/rars/*.so \
    && /srv/venv/bin/python -m compileall -q -j 0 /srv/venv

FROM $BASE
# git: its status is what a watched working copy is asked for. tesseract-ocr-eng, -osd: the data by which text in images is
# recognized, 4 MB, and by which pages that lie on their side are turned, 10 MB; the program is in a package above.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git python3 tesseract-ocr-eng tesseract-ocr-osd \
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

# From the application's folder and the environment alone, never from wherever a command is started in.
ENV DATA=/data PATH=/srv/venv/bin:$PATH PYTHONPATH=/srv/attachment-store PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER store:store
VOLUME /data
EXPOSE 9000
# Ready, not only alive: it is what a proxy in front waits for. Nothing restarts a container for being unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9000, timeout=4); \
        c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
# No shell between: gunicorn is the first process and gets the signals itself.
CMD ["python", "-m", "gunicorn", "-c", "python:app.server.config", "--bind", "0.0.0.0:9000", "app.web.app:create_app()"]
