# The embedded model server on NVIDIA GPUs; the machine has NVIDIA's driver and container toolkit:
#   docker build -f deploy/model-server-gpu.Dockerfile -t livebert-model-server:gpu .
#   docker run --gpus all -p 127.0.0.1:8500:8500 -v $PWD/.livebert/models:/models:ro livebert-model-server:gpu --model_name=events --model_base_path=/models/events
# tensorflow/serving:2.20.0-gpu takes its place, with the same flags but for --bind_address.
FROM python:3.11-slim-bookworm

RUN pip install --no-cache-dir uv
WORKDIR /livebert
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY serving_client serving_client
COPY model_server model_server
# CUDA's libraries come as packages that TensorFlow's own versions name: the image needs no CUDA.
RUN version=$(sed -n 's/^tensorflow==//p' requirements/server.in) \
 && uv pip install --system --compile-bytecode --no-cache --constraint requirements/lock.txt \
      ".[server]" "tensorflow[and-cuda]==$version"

RUN useradd --system --uid 10001 livebert
USER livebert
ENV PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8500 8501
# SIGTERM drains: give `docker stop` more than --shutdown_grace_seconds (25) with --time.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s \
  CMD ["python", "-c", "import grpc; from serving_client import protos, services as s; grpc.insecure_channel('127.0.0.1:8500').unary_unary(s.HEALTH_CHECK.path)(protos.HealthCheckRequest().SerializeToString(), timeout=4)"]
ENTRYPOINT ["model-server", "--port=8500", "--rest_api_port=8501", "--bind_address=0.0.0.0", "--enable_grpc_healthcheck_service"]
