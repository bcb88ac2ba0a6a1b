/* What every back end of a store must do, as cases that run over any of them. */
#ifndef MQEV_TEST_BACKEND_CASES_H
#define MQEV_TEST_BACKEND_CASES_H

#include <check.h>

#include <mqev/store.h>

struct backend_under_test {
	const struct mqev_backend *backend;
	const char *(*fresh_path)(void); /* where nothing is yet; NULL: the back end needs none */
};

/* Adds the cases; what is tested is lent for as long as they run. */
void add_backend_cases(TCase *tc, const struct backend_under_test *tested);

#endif
