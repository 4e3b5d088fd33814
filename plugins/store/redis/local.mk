EXTRA_DIST += %D%/README.md

store_LTLIBRARIES += plugins/store/redis.la
%C%_la_SOURCES = \
  %D%/address.c %D%/address.h \
  %D%/calls.c %D%/calls.h \
  %D%/checks.c %D%/checks.h \
  %D%/commands.c %D%/commands.h \
  %D%/errors.c %D%/errors.h \
  %D%/held.c %D%/held.h \
  %D%/hashes.c %D%/hashes.h \
  %D%/identity.c %D%/identity.h \
  %D%/info.c %D%/info.h \
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
  %D%/session.c %D%/session.h \
  %D%/settings.c %D%/settings.h \
  %D%/socket.c %D%/socket.h \
  $(GROW) $(PAIRS)
%C%_la_CFLAGS = $(AM_CFLAGS) $(HIREDIS_CFLAGS) $(COMMON_CFLAGS)
%C%_la_LIBADD = $(HIREDIS_LIBS)
