# The bridge, without TensorFlow (0.7 GB):
#   docker build -f deploy/bridge.Dockerfile -t livebert-bridge .
#   docker run -v $PWD/bridge.yaml:/etc/livebert/bridge.yaml:ro -v bridge:/var/lib/livebert livebert-bridge
FROM python:3.11-slim-bookworm

RUN pip install --no-cache-dir uv
WORKDIR /livebert
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY serving_client serving_client
COPY stream_bridge stream_bridge
# The versions of the lock, and of it only what the bridge needs.
RUN uv pip install --system --compile-bytecode --no-cache --constraint requirements/lock.txt ".[bridge,prometheus]"

RUN useradd --system --uid 10001 --home-dir /var/lib/livebert --create-home livebert
USER livebert
WORKDIR /var/lib/livebert
VOLUME /var/lib/livebert
ENV PYTHONUNBUFFERED=1
EXPOSE 9464
# SIGTERM drains: give `docker stop` more than failure.drain_seconds (10) with --time.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/healthz', timeout=5)"]
ENTRYPOINT ["stream-bridge"]
CMD ["run", "--config", "/etc/livebert/bridge.yaml", "--quiet", "--set", "monitoring.address=0.0.0.0:9464"]
