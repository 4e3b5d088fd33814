EXTRA_DIST += %D%/README.md

store_LTLIBRARIES += plugins/store/redis.la
%C%_la_SOURCES = \
  %D%/address.c %D%/address.h \
  %D%/calls.c %D%/calls.h \
  %D%/checks.c %D%/checks.h \
  %D%/commands.c %D%/commands.h \
  %D%/connecting.c %D%/connecting.h \
  %D%/errors.c %D%/errors.h \
  %D%/grants.c %D%/grants.h \
  %D%/held.c %D%/held.h \
  %D%/hashes.c %D%/hashes.h \
  %D%/identity.c %D%/identity.h \
  %D%/info.c %D%/info.h \
  %D%/login.c %D%/login.h \
  %D%/msgpack.h \
  %D%/opening.c %D%/opening.h \
  %D%/outbox.c %D%/outbox.h \
  %D%/patience.c %D%/patience.h \
  %D%/pending.c %D%/pending.h \
  %D%/puts.c %D%/puts.h \
  %D%/redis.c \
  %D%/replies.c %D%/replies.h \
  %D%/resp.h \
  %D%/rights.c %D%/rights.h \
  %D%/risks.c %D%/risks.h plugins/common/loopback.h \
  %D%/sentinel.c %D%/sentinel.h \
  %D%/session.c %D%/session.h \
  %D%/settings.c %D%/settings.h \
  %D%/socket.c %D%/socket.h \
  %D%/tls.c %D%/tls.h \
  %D%/tls_context.c %D%/tls_context.h \
  %D%/tls_faults.c %D%/tls_faults.h \
  $(GROW) $(PAIRS) $(TLS_FILES)
%C%_la_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS) $(OPENSSL_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = $(HIREDIS_LIBS) $(OPENSSL_LIBS)
