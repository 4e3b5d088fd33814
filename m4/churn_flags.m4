# CHURN_FLAG(VARIABLE, FLAG): appends FLAG to VARIABLE where the C compiler and linker take it.
AC_DEFUN([CHURN_FLAG], [
  AC_MSG_CHECKING([whether $CC takes $2])
  churn_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_LINK_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
  CFLAGS=$churn_saved_CFLAGS
])

# CHURN_WARNINGS: the warnings that the code is kept free of, in WARNING_CFLAGS and WARNING_CXXFLAGS.
AC_DEFUN([CHURN_WARNINGS], [
  WARNING_CFLAGS="-Wall -Wextra"
  CHURN_FLAG([WARNING_CFLAGS], [-Wshadow])
  CHURN_FLAG([WARNING_CFLAGS], [-Wformat=2])
  CHURN_FLAG([WARNING_CFLAGS], [-Wvla])
  CHURN_FLAG([WARNING_CFLAGS], [-Wcast-align])
  CHURN_FLAG([WARNING_CFLAGS], [-Wwrite-strings])
  WARNING_CXXFLAGS=$WARNING_CFLAGS
  CHURN_FLAG([WARNING_CFLAGS], [-Wstrict-prototypes])
  CHURN_FLAG([WARNING_CFLAGS], [-Wmissing-prototypes])
  AS_IF([test "$enable_werror" = yes],
    [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"; WARNING_CXXFLAGS="$WARNING_CXXFLAGS -Werror"])
  AC_SUBST([WARNING_CFLAGS])
  AC_SUBST([WARNING_CXXFLAGS])
])

# CHURN_HARDENING: the OpenSSF compiler hardening set, or the sanitizers, which exclude it.
AC_DEFUN([CHURN_HARDENING], [
  HARDENING_CFLAGS= HARDENING_LDFLAGS= PROGRAM_CFLAGS= PROGRAM_LDFLAGS=
  AS_IF([test "$enable_sanitizers" != no], [
    HARDENING_CFLAGS="-fsanitize=$enable_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"
    # Programs are linked as C, where clang leaves out the part of its runtime that these need.
    CHURN_FLAG([HARDENING_CFLAGS], [-fno-sanitize=vptr,function])
    # How deep the stack is depends on where it begins, which differs from run to run.
    AS_IF([test "$enable_fuzzing" = yes], [CHURN_FLAG([HARDENING_CFLAGS], [-fno-sanitize-coverage=stack-depth])])
    HARDENING_LDFLAGS="-fsanitize=$enable_sanitizers"
  ], [
    HARDENING_CFLAGS="-U_FORTIFY_SOURCE"
    CHURN_FLAG([HARDENING_CFLAGS], [-fstack-protector-strong])
    CHURN_FLAG([HARDENING_CFLAGS], [-fstack-clash-protection])
    CHURN_FLAG([HARDENING_CFLAGS], [-fcf-protection])
    AC_MSG_CHECKING([for the level of _FORTIFY_SOURCE])
    churn_saved_CFLAGS=$CFLAGS
    CFLAGS="-O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([#include <string.h>])], [churn_fortify=3], [churn_fortify=2])
    CFLAGS=$churn_saved_CFLAGS
    AC_MSG_RESULT([$churn_fortify])
    AS_CASE([" $CFLAGS "], [*" -O0 "*], [], [HARDENING_CFLAGS="$HARDENING_CFLAGS -D_FORTIFY_SOURCE=$churn_fortify"])
    HARDENING_LDFLAGS="-Wl,-z,relro,-z,now,-z,noexecstack"
    PROGRAM_CFLAGS=-fPIE
    PROGRAM_LDFLAGS=-pie
  ])
  AC_SUBST([HARDENING_CFLAGS])
  AC_SUBST([HARDENING_LDFLAGS])
  AC_SUBST([PROGRAM_CFLAGS])
  AC_SUBST([PROGRAM_LDFLAGS])
])

# CHURN_FUZZER: that the compiler brings libFuzzer, which has a main of its own.
AC_DEFUN([CHURN_FUZZER], [
  AC_MSG_CHECKING([whether $CC brings libFuzzer])
  churn_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -fsanitize=fuzzer,address,undefined"
  AC_LINK_IFELSE([AC_LANG_SOURCE([[int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size)
    { return data == 0 && size == 1; }]])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([--enable-fuzzing needs CC=clang CXX=clang++ and its runtime (Debian: clang, libclang-rt-dev)])])
  CFLAGS=$churn_saved_CFLAGS
])
