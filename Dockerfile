# The exporter alone: no compiler, no pip, no shell needed, and a user that owns nothing.
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /source
COPY requirements-otlp.lock requirements-build.lock ./
RUN python -m venv /opt/exporter \
    && /opt/exporter/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements-otlp.lock \
    && /opt/exporter/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --requirement requirements-build.lock --target /build
COPY . .
RUN PYTHONPATH=/build /opt/exporter/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/exporter/bin/pip uninstall --yes pip

FROM python:${PYTHON}
# Compose's volume for the history takes its owner from here.
RUN pip uninstall --yes --root-user-action ignore pip && install -d -o 65534 -g 65534 /history
COPY --from=build /opt/exporter /opt/exporter
ENV PATH=/opt/exporter/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
EXPOSE 9841
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9841/-/healthy', timeout=2)"]
ENTRYPOINT ["sandbox-exporter"]
CMD ["run"]
