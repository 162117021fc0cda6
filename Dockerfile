# syntax=docker/dockerfile:1
# docker build -t crawler . && docker run --rm -v crawler-state:/data crawler
# Another spider: docker run --rm -v crawler-state:/data -v "$PWD/spiders:/app/spiders:ro" crawler run spiders/books.py -o /data/books.csv

FROM python:3.13-slim-bookworm AS wheels
WORKDIR /build
COPY requirements.lock ./
# The hashes are checked here: /wheels holds what the lock file pinned and nothing else, so no version is named again.
# hadolint ignore=DL3013
RUN pip download --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
      --dest /wheels -r requirements.lock \
 && pip install --no-cache-dir --disable-pip-version-check --no-index --find-links /wheels --upgrade setuptools
COPY pyproject.toml README.md LICENSE ./
COPY crawler ./crawler
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

FROM python:3.13-slim-bookworm
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --disable-pip-version-check --no-index --find-links /wheels crawler \
 && python -m compileall -q -x '/(site-packages|tests?)/' /usr/local/lib/python3.* \
 && useradd --system --uid 10001 --gid 0 --no-create-home --home-dir /data crawler \
 && mkdir /data && chown 10001:0 /data && chmod 2775 /data
# All is compiled here, also what the base image has of the standard library: whoever runs the image cannot keep what
# it compiles, and would do so at every start (1.2 s of CPU time to the first page instead of 0.4).
# Group 0 may write to /data, so that a platform that runs the image under any user id (with group 0) can too.
WORKDIR /app
COPY spiders ./spiders
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/data CRAWLER_RUNS_DIR=/data/runs
USER 10001:0
VOLUME /data
# The first SIGTERM: finish what is in flight (setting `grace`, 8 s), commit, exit 143; the next start goes on.
STOPSIGNAL SIGTERM
ENTRYPOINT ["crawler"]
CMD ["run", "spiders/bookstore.py"]
