# Macros of mqev's own configure script.

# MQEV_ADD_FLAG(VARIABLE, FLAG...)
# Appends each flag that the C compiler knows. -Werror makes clang refuse flags that it would
# otherwise only warn of.
AC_DEFUN([MQEV_ADD_FLAG], [
  m4_foreach_w([mqev_flag], [$2], [
    AS_VAR_PUSHDEF([mqev_cv], [mqev_cv_flag_[]mqev_flag])
    AC_CACHE_CHECK([whether $CC knows mqev_flag], [mqev_cv], [
      mqev_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror mqev_flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
        [AS_VAR_SET([mqev_cv], [yes])], [AS_VAR_SET([mqev_cv], [no])])
      CFLAGS=$mqev_save_CFLAGS])
    AS_VAR_IF([mqev_cv], [yes], [$1="$$1 mqev_flag"])
    AS_VAR_POPDEF([mqev_cv])
  ])
])

# MQEV_NEED_LINK(WHAT, FLAGS)
# Ends configure when a program cannot be linked with the flags that an option asked for.
AC_DEFUN([MQEV_NEED_LINK], [
  AC_MSG_CHECKING([whether $CC links with $2])
  mqev_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $2"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$1 needs a compiler that links with $2; see config.log])])
  CFLAGS=$mqev_save_CFLAGS
])

# MQEV_ENABLE(NAME, HELP)
# An --enable-NAME option that is off by default; sets enable_NAME to yes or no.
AC_DEFUN([MQEV_ENABLE], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$2 (default: no)])], [],
    [AS_VAR_SET([enable_$1], [no])])
  AS_CASE([$enable_$1], [yes|no], [], [AC_MSG_ERROR([--enable-$1 takes yes or no])])
])

# MQEV_FIND_PACKAGE(NAME, PREFIX, MODULE, HEADER, LIBRARY, FUNCTION)
# Looks for a package by pkg-config, else by its header and library, as some distributions ship no
# .pc file. Sets PREFIX_CFLAGS, PREFIX_LIBS, what mqev.pc has to name, and mqev_found to yes or no.
AC_DEFUN([MQEV_FIND_PACKAGE], [
  PKG_CHECK_MODULES([$2], [$3], [
    mqev_found=yes
    MQEV_PC_REQUIRES="$MQEV_PC_REQUIRES $3"
  ], [
    mqev_found=no
    AC_CHECK_HEADER([$4], [AC_CHECK_LIB([$5], [$6], [
      mqev_found=yes
      $2_LIBS="-l$5"
      MQEV_PC_LIBS="$MQEV_PC_LIBS -l$5"])])
  ])
])

# MQEV_WITH_PACKAGE(NAME, PREFIX, HELP, MODULE, HEADER, LIBRARY, FUNCTION)
# An optional package: --with-NAME is auto, yes or no. Defines HAVE_PREFIX in config.h and as a
# conditional, and sets with_NAME to what came of it: yes or no.
AC_DEFUN([MQEV_WITH_PACKAGE], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1], [$3 (default: auto)])], [],
    [AS_VAR_SET([with_$1], [auto])])
  AS_CASE([$with_$1],
    [no], [],
    [yes|auto], [
      MQEV_FIND_PACKAGE([$1], [$2], [$4], [$5], [$6], [$7])
      AS_IF([test $with_$1$mqev_found = yesno],
        [AC_MSG_ERROR([--with-$1 was given, but $4 is not there])])
      with_$1=$mqev_found],
    [AC_MSG_ERROR([--with-$1 takes yes, no or auto])])
  AS_VAR_IF([with_$1], [yes], [AC_DEFINE([HAVE_$2], [1], [Define to 1 to use $1.])])
  AM_CONDITIONAL([HAVE_$2], [test "x$with_$1" = xyes])
])

# MQEV_SAMPLE_PACKAGE(PREFIX, MODULE)
# A package that only samples use: those are built when it is there. Sets have_PREFIX to yes or no, and a
# conditional HAVE_PREFIX.
AC_DEFUN([MQEV_SAMPLE_PACKAGE], [
  PKG_CHECK_MODULES([$1], [$2], [have_$1=yes], [have_$1=no])
  AM_CONDITIONAL([HAVE_$1], [test "$have_$1" = yes])
])
