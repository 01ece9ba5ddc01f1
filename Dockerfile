# syntax=docker/dockerfile:1
# The benchmark in a container, as a user without rights:
#
#   docker build -t codixr .                                   # for CPUs
#   docker build -t codixr:cuda --target cuda .                # for NVIDIA GPUs
#   docker run --rm -v "$PWD/runs:/srv/codixr/runs" codixr           # the main job
#   docker run --rm --gpus all codixr:cuda run --task paper --model codixr --limit 32
#
# The folder that is mounted has to be writable for user 1000.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS wheel
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /dist

FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 1000 --create-home codixr && install -d -o codixr -g codixr /srv/codixr /srv/codixr/runs
COPY constraints.txt /tmp/constraints.txt

FROM base AS cuda
COPY --from=wheel /dist /tmp/dist
RUN pip install /tmp/dist/*.whl --constraint /tmp/constraints.txt && rm -r /tmp/dist
USER codixr
WORKDIR /srv/codixr
ENTRYPOINT ["codixr-bench"]
CMD ["run", "--task", "L+T->F", "--model", "codixr", "--limit", "64"]

# The last stage is the default.
FROM base AS cpu
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu --constraint /tmp/constraints.txt
COPY --from=wheel /dist /tmp/dist
RUN pip install /tmp/dist/*.whl --constraint /tmp/constraints.txt && rm -r /tmp/dist
USER codixr
WORKDIR /srv/codixr
ENTRYPOINT ["codixr-bench"]
CMD ["run", "--task", "L+T->F", "--model", "codixr", "--limit", "64"]
