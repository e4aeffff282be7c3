# The image of hadal for CPUs, and of `hadal preflight` as an init container: docker build -t hadal .
# The package lists are those of scripts/lib.sh (tests/python/test_packaging.py); scripts/image-size measures the
# result without a container engine.
ARG BASE=debian:bookworm-20250520-slim

FROM ${BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      g++ cmake ninja-build pkg-config ca-certificates curl python3 python3-pip \
      libsimdjson-dev libpcre2-dev libspdlog-dev libfmt-dev libyaml-dev libcurl4-openssl-dev prometheus-cpp-dev \
      libssl-dev libgloo-dev libedit-dev libboost1.81-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt LICENSE ./
COPY cmake cmake
COPY src src
RUN cmake -S . -B /build -G Ninja -D CMAKE_BUILD_TYPE=Release -D HADAL_UNITY=ON -D HADAL_TESTS=OFF -D HADAL_BENCH=OFF \
 && ninja -C /build hadal \
 && cmake --install /build --prefix /out/usr --strip

FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates ibverbs-providers libcurl4 libedit2 libfmt9 libgloo0 libpcre2-8-0 libprometheus-cpp-core1.0 \
      libsimdjson14 libspdlog1.10 libssl3 libstdc++6 libyaml-0-2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log /var/log/apt
# Any user may run it (OpenShift gives each namespace its own): what has to be written belongs to group 0, and caches go
# to the home directory.
RUN mkdir -p /home/hadal/.cache /models && chgrp -R 0 /home/hadal && chmod -R g=u /home/hadal
COPY LICENSE /usr/share/doc/hadal/LICENSE
COPY --from=build /out/usr/bin/hadal /usr/bin/hadal
ENV HOME=/home/hadal XDG_CACHE_HOME=/home/hadal/.cache
# NVIDIA's container runtime then mounts the driver's libraries, for hadal preflight.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:0
WORKDIR /home/hadal
EXPOSE 30000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/hadal"]
CMD ["--help"]
