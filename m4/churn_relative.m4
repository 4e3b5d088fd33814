# CHURN_RELATIVE(NAME, FOLDER, TO): substitutes @NAME@ by the way from one folder of the installation to another, so that the
# installation finds its parts wherever it was put (make install prefix=…, DESTDIR=…).
AC_DEFUN([CHURN_RELATIVE], [
  AC_SUBST([$1], [$(
    test "$prefix" != NONE || prefix=$ac_default_prefix
    test "$exec_prefix" != NONE || exec_prefix=$prefix
    from="$2" to="$3"
    # Folders are given by other folders, at most three deep.
    for turn in 1 2 3 4; do
      eval "from=\"$from\" to=\"$to\""
    done
    realpath -ms --relative-to="$from" "$to")])])
