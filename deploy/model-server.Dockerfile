# The embedded model server; TF Serving's own image takes its place, with the same flags:
#   docker build -f deploy/model-server.Dockerfile -t livebert-model-server .
#   docker run -p 8500:8500 -v $PWD/.livebert/models:/models:ro livebert-model-server --model_name=events --model_base_path=/models/events
FROM python:3.11-slim-bookworm

RUN pip install --no-cache-dir uv
WORKDIR /livebert
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY serving_client serving_client
COPY model_server model_server
RUN uv pip install --system --compile-bytecode --no-cache --constraint requirements/lock.txt ".[server]"

RUN useradd --system --uid 10001 livebert
USER livebert
ENV PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2
EXPOSE 8500 8501
ENTRYPOINT ["model-server", "--port=8500", "--rest_api_port=8501", "--bind_address=0.0.0.0"]
