# Fuzz targets, one for each reader of foreign bytes: `make fuzzers` in a build with --enable-fuzzing. See README.md.
FUZZERS = \
  %D%/fuzz_answer \
  %D%/fuzz_audit \
  %D%/fuzz_condition \
  %D%/fuzz_decimal \
  %D%/fuzz_elf \
  %D%/fuzz_env_file \
  %D%/fuzz_event \
  %D%/fuzz_http \
  %D%/fuzz_journal \
  %D%/fuzz_letter \
  %D%/fuzz_lmdb \
  %D%/fuzz_pipeline \
  %D%/fuzz_profile \
  %D%/fuzz_protect \
  %D%/fuzz_redis \
  %D%/fuzz_tap \
  %D%/fuzz_trigger
if HAVE_XGBOOST
FUZZERS += %D%/fuzz_xgboost
%C%_fuzz_xgboost_SOURCES = %D%/fuzz_xgboost.c plugins/sink/prediction_xgboost/model_header.cc plugins/sink/prediction_xgboost/model_header.h
%C%_fuzz_xgboost_CPPFLAGS = $(FUZZ_CPP) $(NLOHMANN_CFLAGS) -I$(top_srcdir)/plugins/sink/prediction_xgboost
%C%_fuzz_xgboost_CFLAGS = $(HOST_C)
%C%_fuzz_xgboost_CXXFLAGS = $(AM_CXXFLAGS) $(PROGRAM_CFLAGS)
%C%_fuzz_xgboost_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_xgboost_LDADD = $(FUZZ_LIBS)
endif
EXTRA_DIST += %D%/fuzz_xgboost.c
EXTRA_PROGRAMS += $(FUZZERS)
CLEANFILES += $(FUZZERS)
EXTRA_DIST += scripts/fuzz.sh %D%/README.md %D%/dict %D%/fuzz.h %D%/seeds

# Those that need more than the host's own code name it below.
FUZZ_CPP = $(HOST_CPP) $(JSONC_CFLAGS) $(CUNIT_CFLAGS) $(COMMON_CFLAGS)
FUZZ_LD = -fsanitize=fuzzer $(HARDENING_LDFLAGS)
FUZZ_LIBS = $(HOST_LINK)
# Its functions take the place of the libraries'.
FUZZ_IN_PLACE = $(FUZZ_LD) -export-dynamic
FUZZ_HOST = tests/support/fake_host.c tests/support/fake_host.h
FUZZ_ANSWER = plugins/sink/prediction/answer.c plugins/sink/prediction/answer.h

%C%_fuzz_answer_SOURCES = %D%/fuzz_answer.c $(FUZZ_ANSWER) \
  plugins/sink/prediction/answer_rows.c plugins/sink/prediction/answer_rows.h $(JSON_READ) $(TEXT_BUFFER)
%C%_fuzz_http_SOURCES = %D%/fuzz_http.c $(FUZZ_ANSWER) $(HTTP_CLIENT) $(TLS_FILES) $(JSON_READ)
%C%_fuzz_lmdb_SOURCES = %D%/fuzz_lmdb.c $(FUZZ_HOST)
%C%_fuzz_redis_SOURCES = %D%/fuzz_redis.c $(FUZZ_HOST)
%C%_fuzz_trigger_SOURCES = %D%/fuzz_trigger.c plugins/common/trigger.c plugins/common/trigger.h $(JSON_READ) $(TEXT_BUFFER)
%C%_fuzz_answer_CPPFLAGS = $(FUZZ_CPP) -I$(top_srcdir)/plugins/sink/prediction
%C%_fuzz_answer_CFLAGS = $(HOST_C)
%C%_fuzz_answer_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_answer_LDADD = $(FUZZ_LIBS)
%C%_fuzz_audit_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_audit_CFLAGS = $(HOST_C)
%C%_fuzz_audit_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_audit_LDADD = $(FUZZ_LIBS)
%C%_fuzz_condition_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_condition_CFLAGS = $(HOST_C)
%C%_fuzz_condition_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_condition_LDADD = $(FUZZ_LIBS)
%C%_fuzz_decimal_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_decimal_CFLAGS = $(HOST_C)
%C%_fuzz_decimal_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_decimal_LDADD = $(FUZZ_LIBS)
%C%_fuzz_elf_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_elf_CFLAGS = $(HOST_C)
%C%_fuzz_elf_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_elf_LDADD = $(FUZZ_LIBS)
%C%_fuzz_env_file_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_env_file_CFLAGS = $(HOST_C)
%C%_fuzz_env_file_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_env_file_LDADD = $(FUZZ_LIBS)
%C%_fuzz_event_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_event_CFLAGS = $(HOST_C)
%C%_fuzz_event_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_event_LDADD = $(FUZZ_LIBS)
%C%_fuzz_http_CPPFLAGS = $(FUZZ_CPP) -I$(top_srcdir)/plugins/sink/prediction
%C%_fuzz_http_CFLAGS = $(HOST_C)
%C%_fuzz_http_LDFLAGS = $(FUZZ_IN_PLACE)
%C%_fuzz_http_LDADD = $(FUZZ_LIBS) $(OPENSSL_LIBS)
%C%_fuzz_journal_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_journal_CFLAGS = $(HOST_C)
%C%_fuzz_journal_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_journal_LDADD = $(FUZZ_LIBS)
%C%_fuzz_protect_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_protect_CFLAGS = $(HOST_C)
%C%_fuzz_protect_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_protect_LDADD = $(FUZZ_LIBS)
%C%_fuzz_letter_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_letter_CFLAGS = $(HOST_C)
%C%_fuzz_letter_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_letter_LDADD = $(FUZZ_LIBS)
%C%_fuzz_lmdb_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_lmdb_CFLAGS = $(HOST_C)
%C%_fuzz_lmdb_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_lmdb_LDADD = $(FUZZ_LIBS)
%C%_fuzz_pipeline_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_pipeline_CFLAGS = $(HOST_C)
%C%_fuzz_pipeline_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_pipeline_LDADD = $(FUZZ_LIBS)
%C%_fuzz_profile_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_profile_CFLAGS = $(HOST_C)
%C%_fuzz_profile_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_profile_LDADD = $(FUZZ_LIBS)
%C%_fuzz_redis_CPPFLAGS = $(FUZZ_CPP) $(HIREDIS_CFLAGS)
%C%_fuzz_redis_CFLAGS = $(HOST_C)
%C%_fuzz_redis_LDFLAGS = $(FUZZ_IN_PLACE)
%C%_fuzz_redis_LDADD = $(FUZZ_LIBS) $(HIREDIS_LIBS)
%C%_fuzz_tap_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_tap_CFLAGS = $(HOST_C)
%C%_fuzz_tap_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_tap_LDADD = $(FUZZ_LIBS)
%C%_fuzz_trigger_CPPFLAGS = $(FUZZ_CPP)
%C%_fuzz_trigger_CFLAGS = $(HOST_C)
%C%_fuzz_trigger_LDFLAGS = $(FUZZ_LD)
%C%_fuzz_trigger_LDADD = $(FUZZ_LIBS)

if FUZZING
fuzzers: $(FUZZERS) $(event_LTLIBRARIES) $(processor_LTLIBRARIES) $(source_LTLIBRARIES) $(store_LTLIBRARIES) $(sink_LTLIBRARIES)
else
fuzzers:
	@echo "the fuzz targets need a build with --enable-fuzzing CC=clang CXX=clang++" >&2; exit 1
endif
.PHONY: fuzzers
