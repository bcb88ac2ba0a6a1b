/* What the tests of a session that a store keeps share: the store that the test plays, and the
 * steps that all of them take. */
#ifndef MQEV_TEST_KEPT_H
#define MQEV_TEST_KEPT_H

#include <stdio.h>

#include "lib/vcase.h"
#include "lib/vjournal.h"

#define V45 (V311 | V5)

static struct vjournal j;

/* The record is read up to here. */
static inline void
see(struct vclient *v)
{
	vclient_flush_record(v);
	v->checked = v->record.len;
}

/*
 * A case prefix_scenario() over a session with an empty store, which is read to its end; settings
 * are made before the store is there.
 */
#define OVER_A_STORE(prefix, scenario, in_versions, settings) \
	static void prefix##_##scenario(struct vclient *v);   \
	SCENARIO(scenario, in_versions)                       \
	{                                                     \
		settings;                                     \
		vjournal_init(&j, v);                         \
		prefix##_##scenario(v);                       \
		expect_nothing(v);                            \
		vclient_free_session(v);                      \
		see(v);                                       \
		vjournal_free(&j);                            \
	}                                                     \
	static void prefix##_##scenario(struct vclient *v)

static inline void
commit(void)
{
	vjournal_commit(&j);
}

static inline void
accept(struct vclient *v, int session_present)
{
	char packet[32];

	snprintf(packet, sizeof(packet), "20 (0%d 00 ~)", session_present);
	rx(v, packet);
}

#endif
