# One image for every part of Mien; the command chooses the part: `worker`, `api`, `topics`, ...
# Nothing is installed that requirements-run.lock has no hash for.

FROM python:3.11-slim AS build
RUN python -m venv /opt/mien
ENV PATH=/opt/mien/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# The packages first: they change seldom, and this layer is the large one.
COPY requirements-run.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements-run.lock
COPY pyproject.toml LICENSE ./
COPY profiles profiles
COPY streams streams
COPY api api
RUN pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
# Same id everywhere, so that volumes keep their owner when the image is rebuilt.
RUN useradd --system --uid 10001 --home-dir /var/lib/mien --shell /usr/sbin/nologin mien \
    && install --directory --owner mien --group mien /var/lib/mien /var/cache/mien
COPY --from=build /opt/mien /opt/mien
ENV PATH=/opt/mien/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # Compiled kernels depend on the processor, so they are made where they run and kept on a volume.
    NUMBA_CACHE_DIR=/var/cache/mien/numba \
    MIEN_DATA_DIR=/var/lib/mien
USER mien
WORKDIR /var/lib/mien
ENTRYPOINT ["mien"]
CMD ["--help"]
