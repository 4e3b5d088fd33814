EXTRA_DIST += %D%/README.md

libcore_la_SOURCES += \
  %D%/cache.c \
  %D%/cache.h \
  %D%/fields.c \
  %D%/fields.h \
  %D%/fold.c \
  %D%/fold.h \
  %D%/owed.c \
  %D%/owed.h \
  %D%/profile.c \
  %D%/profile.h \
  %D%/profile_render.c \
  %D%/profile_render.h \
  %D%/profile_view.c \
  %D%/profile_view.h \
  %D%/parts.c \
  %D%/parts.h \
  %D%/store_keys.c \
  %D%/store_keys.h \
  %D%/told.c \
  %D%/told.h \
  %D%/tombstones.c \
  %D%/tombstones.h \
  %D%/witness.c \
  %D%/witness.h
