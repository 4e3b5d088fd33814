# churnd with its plugins in an image of Debian: docs/install.md, "Image".
#
#   docker build -t churnd .
#   docker run --read-only -v churnd:/var/lib/churnd churnd                                  # the consumer, /etc/churnd/consumer.yaml
#   docker run --read-only -v churnd:/var/lib/churnd churnd -c /etc/churnd/producer.yaml
#
# BASE may be any Debian 12 or 13, such as a mirror's copy.
ARG BASE=debian:trixie-slim

# --- Built from this tree ---
FROM ${BASE} AS build
WORKDIR /src
COPY scripts/install-deps.sh scripts/
RUN scripts/install-deps.sh build
COPY . .
RUN autoreconf -i && \
    mkdir build && cd build && \
    ../configure --prefix=/usr --sysconfdir=/etc --without-xgboost && \
    make -j"$(nproc)" && \
    make install-strip DESTDIR=/install
# What runs pipelines, and the packages whose libraries it needs; none of what builds plugins.
RUN cd /install && \
    rm -rf usr/include usr/share usr/lib/pkgconfig usr/lib/libchurn-test.* usr/lib/systemd usr/lib/sysusers.d usr/lib/tmpfiles.d && \
    find . -name '*.la' -delete && \
    install -D -m 644 -t etc/churnd /src/config/consumer.yaml /src/config/producer.yaml /src/config/quickstart.yaml && \
    install -D -m 644 -t usr/share/doc/churnd /src/LICENSE && \
    mkdir debian && touch debian/control && \
    dpkg-shlibdeps -O usr/bin/churnd $(find usr/lib -name '*.so') | \
      sed -e 's/^shlibs:Depends=//' -e 's/ ([^)]*)//g' -e 's/,//g' >/packages && \
    rm -r debian

# --- What it runs in. All that an image does not need goes before the one layer of the next stage is made. ---
FROM ${BASE} AS system
COPY --from=build /packages /packages
RUN apt-get -q update && \
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends ca-certificates $(cat /packages) && \
    groupadd --system --gid 10001 churnd && \
    useradd --system --uid 10001 --gid churnd --home-dir /var/lib/churnd --no-create-home --shell /usr/sbin/nologin churnd && \
    install -d -o churnd -g churnd -m 750 /var/lib/churnd && \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} + && \
    find /usr/share/doc -type f ! -name copyright -delete && \
    find /usr/share/doc -type d -empty -delete && \
    find /usr/lib -name '*.a' -delete && \
    rm -rf /packages /var/lib/apt/lists/* /var/cache/* /var/log/* /tmp/* /usr/share/man /usr/share/info /usr/share/locale \
      /usr/share/i18n /usr/share/lintian /usr/share/bug
COPY --from=build /install /

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
COPY --from=system / /
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.title="churnd" \
      org.opencontainers.image.description="Customer events into exact profiles, churn predictions and alerts" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    CHURND_CONFIG=/etc/churnd/consumer.yaml \
    CHURN_LISTEN=0.0.0.0:8080 \
    STATE_DIRECTORY=/var/lib/churnd
# By number, so that Kubernetes sees that it is not root. The folder is all that is written to.
USER 10001:10001
WORKDIR /var/lib/churnd
VOLUME /var/lib/churnd
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["churnd", "health"]
ENTRYPOINT ["churnd"]
