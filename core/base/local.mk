EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/address.c \
  %D%/address.h \
  %D%/arena.c \
  %D%/arena.h \
  %D%/bus_error.c \
  %D%/bus_error.h \
  %D%/clock.c \
  %D%/clock.h \
  %D%/credential.c \
  %D%/credential.h \
  %D%/decimal.c \
  %D%/decimal.h \
  %D%/env_file.c \
  %D%/env_file.h \
  %D%/fault.c \
  %D%/fault.h \
  %D%/file_place.c \
  %D%/file_place.h \
  %D%/grouped.c \
  %D%/grouped.h \
  %D%/input_file.c \
  %D%/input_file.h \
  %D%/json_build.h \
  %D%/json_parse.c \
  %D%/json_parse.h \
  %D%/json_text.c \
  %D%/json_text.h \
  %D%/log.c \
  %D%/log.h \
  %D%/metrics.c \
  %D%/metrics.h \
  %D%/name_index.c \
  %D%/name_index.h \
  %D%/printable.c \
  %D%/printable.h \
  %D%/progress_line.c \
  %D%/progress_line.h \
  %D%/refuse.h \
  %D%/suggest.c \
  %D%/suggest.h \
  %D%/unix_socket.c \
  %D%/unix_socket.h \
  %D%/words.c \
  %D%/words.h
