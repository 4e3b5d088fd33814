# Where there is libxgboost (configure --with-xgboost).
PREDICTION_XGBOOST = \
  %D%/columns.c %D%/columns.h \
  %D%/model.c %D%/model.h \
  %D%/model_header.cc %D%/model_header.h \
  %D%/prediction_xgboost.c
if HAVE_XGBOOST
sink_LTLIBRARIES += plugins/sink/prediction_xgboost.la
plugins_sink_prediction_xgboost_la_SOURCES = $(PREDICTION_XGBOOST) $(FEATURES) $(SCORING)
plugins_sink_prediction_xgboost_la_CFLAGS = $(AM_CFLAGS) $(COMMON_CFLAGS) $(JSONC_CFLAGS) $(OPENSSL_CFLAGS) $(XGBOOST_CFLAGS)
plugins_sink_prediction_xgboost_la_CXXFLAGS = $(AM_CXXFLAGS) $(NLOHMANN_CFLAGS)
# The regular expression of AM_LDFLAGS hides nothing of what templates of the C++ library make.
plugins_sink_prediction_xgboost_la_LDFLAGS = $(AM_LDFLAGS) -Wl,--version-script=$(srcdir)/plugin.map
plugins_sink_prediction_xgboost_la_LIBADD = $(XGBOOST_LIBS) -lgomp $(JSONC_LIBS) $(OPENSSL_LIBS) -lm
endif
EXTRA_DIST += %D%/README.md $(PREDICTION_XGBOOST)
