/*
 * The session between a hostile server and a busy application: the input is a header of settings,
 * then actions, each an opcode and its arguments. Whatever comes: no operation is lost or completes
 * twice, and the judge of the test kit finds nothing wrong with the bytes that the session writes.
 *
 * Header: version, clean (with it whether a store keeps the session, whose commits are late),
 * flags, window. Each action takes what it needs of the rest; a missing byte is 0.
 * make-corpus-session writes seeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/fail_mem.h"
#include "lib/vjournal.h"
#include "lib/vserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

struct fuzz {
	struct input in;
	struct vclient v;
	struct vserver vs;
	struct mqev_auth auth;
	unsigned in_event; /* what to do in the next event; 0: nothing */
	bool kept;	   /* by a store, the journal */
};

static struct vjournal journal;

static uint8_t
byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static const uint8_t *
bytes(struct input *in, size_t *len)
{
	const uint8_t *at = in->at;
	size_t left = (size_t)(in->end - in->at);

	if (*len > left)
		*len = left;
	in->at += *len;
	return at;
}

/* --- the application -------------------------------------------------------------------------- */

static void
publish(struct fuzz *f)
{
	static const char *const topics[] = {"a", "a/b", "$x", "topic/of/some/length"};
	static const uint8_t properties[] = {2, 0, 0, 0, 9, 0x26, 0, 1, 'k', 0, 1, 'v'};
	static char payload[5000];
	uint8_t how = byte(&f->in);
	uint8_t what = byte(&f->in);

	VPUBLISH(&f->v, .qos = how % 3, .retain = (how & 4) != 0, .queued = (how & 8) != 0,
	    .silent = (how & 16) != 0, .by_reference = (how & 32) != 0, .topic = topics[what % 4],
	    .payload = payload, .len = (what & 128) != 0 ? sizeof(payload) : what & 31,
	    .properties = properties, .properties_len = (how & 64) != 0 ? sizeof(properties) : 0,
	    .has_expiry = (how & 64) != 0, .expiry_at = 1, .expiry_s = what & 7);
}

static void
request(struct fuzz *f)
{
	static const uint8_t filters[] = {0, 1, 'a', 0x2D, 0, 3, '+', '/', '#', 2};
	static const uint8_t names[] = {0, 1, 'a', 0, 3, '+', '/', '#'};
	uint8_t how = byte(&f->in);

	if ((how & 1) != 0)
		vclient_subscribe(&f->v, filters, (how & 2) != 0 ? 10 : 4, (how & 2) != 0 ? 2 : 1,
		    (how & 2) != 0 ? MQEV_OP_WILDCARD : 0);
	else
		vclient_unsubscribe(&f->v, names, (how & 2) != 0 ? 8 : 3, (how & 2) != 0 ? 2 : 1);
}

static void
acknowledge(struct fuzz *f)
{
	static const uint8_t reasons[] = {0, 0, 0x80, 0x87, 0x92};
	struct mqev_properties properties = {.data = (const uint8_t *)"\x1F\0\2no", .len = 5};
	uint8_t how = byte(&f->in);
	struct vclient *v = &f->v;
	int i;

	if (v->held_count == 0)
		return;
	i = how % v->held_count;
	mqev_ack(
	    v->held[i], (enum mqev_reason)reasons[how % 5], (how & 32) != 0 ? &properties : NULL);
	if ((how & 64) == 0)
		return;
	mqev_ack_drop(v->held[i]);
	v->held_count--;
	v->held[i] = v->held[v->held_count];
}

static void
reauthenticate(struct fuzz *f)
{
	int64_t number = mqev_session_reauthenticate(&f->v.s, NULL, NULL, f->v.now);

	if (number > 0 && number < V_OPS)
		f->v.op[number] = V_PENDING;
}

static int
auth_step(
    void *userdata, void *exchange, const struct mqev_auth_data *in, struct mqev_auth_data *out)
{
	(void)userdata;
	(void)exchange;
	*out = *in;
	return in->len == 1 ? -1 : 0;
}

/* --- the server and the link ------------------------------------------------------------------ */

static void
close_link(struct fuzz *f)
{
	vserver_close(&f->vs);
}

static void
open_link(struct fuzz *f)
{
	if (f->v.s.state == MQEV_SESSION_IDLE)
		vserver_open(&f->vs);
}

static void
accept_link(struct fuzz *f)
{
	static const char *const properties[] = {"", "21 0001", "27 00000020 24 00",
	    "22 0002 25 00", "28 00 29 00 2A 00 13 0002", "11 00000000 21 0003"};
	uint8_t how = byte(&f->in);

	if (f->v.s.state == MQEV_SESSION_IDLE)
		vserver_connect(&f->vs, (how & 64) != 0, properties[(how & 63) % 6]);
}

static void
hostile_bytes(struct fuzz *f)
{
	size_t len = byte(&f->in);
	const uint8_t *data = bytes(&f->in, &len);

	if (f->vs.open)
		vserver_send_bytes(&f->vs, data, len);
}

/* One legal packet with two bytes of one's choice. */
static void
template_packet(struct fuzz *f)
{
	static const uint8_t packets[][12] = {{4, 0x40, 2, 0, 0}, {4, 0x50, 2, 0, 0},
	    {4, 0x62, 2, 0, 0}, {4, 0x70, 2, 0, 0}, {5, 0x50, 3, 0, 0, 0x97},
	    {9, 0x34, 7, 0, 1, 'm', 0, 0, 0, 'x'}, {9, 0x32, 7, 0, 1, 'm', 0, 0, 0, 'x'},
	    {8, 0x34, 6, 0, 1, 'm', 0, 0, 'x'}, {8, 0x32, 6, 0, 1, 'm', 0, 0, 'x'},
	    {7, 0x30, 5, 0, 1, 'm', 0, 'x'}, {6, 0x90, 4, 0, 0, 0, 0}, {6, 0xB0, 4, 0, 0, 0, 0}};
	static const uint8_t mid_at[] = {2, 2, 2, 2, 2, 5, 5, 5, 5, 5, 2, 2};
	uint8_t which = byte(&f->in) % 12;
	uint8_t packet[12];

	memcpy(packet, packets[which] + 1, 11);
	packet[mid_at[which]] = byte(&f->in) & 1 ? 0xFC : 0;
	packet[mid_at[which] + 1] = byte(&f->in);
	if (f->vs.open)
		vserver_send_bytes(&f->vs, packet, packets[which][0]);
}

static void
answer(struct fuzz *f)
{
	if (f->vs.open)
		vserver_answer(&f->vs);
}

static void
no_memory(struct fuzz *f)
{
	fail_mem_after(byte(&f->in) % 16);
}

static void
pass_time(struct fuzz *f)
{
	uint8_t how = byte(&f->in);

	vclient_advance(&f->v, how < 128 ? how * 20u : (how - 127u) * 1000u);
}

static void
sent(struct fuzz *f)
{
	vclient_sent(&f->v, byte(&f->in));
}

static void
disconnect(struct fuzz *f)
{
	bool v5 = f->v.s.version == MQEV_V5;

	vclient_disconnect(&f->v, v5 ? 4 : 0, "\x11\0\0\0\5", v5 && byte(&f->in) % 2 ? 5 : 0);
}

static void
toggle(struct fuzz *f)
{
	uint8_t what = byte(&f->in);

	f->v.s.paused ^= what & 1;
	f->v.no_pump ^= (what & 2) != 0;
	f->v.hold ^= (what & 4) != 0;
	f->v.deaf ^= (what & 8) != 0;
	f->v.every_byte ^= (what & 16) != 0;
	f->v.budget = (what & 32) != 0 ? what : SIZE_MAX;
}

static void
cancel(struct fuzz *f)
{
	uint8_t which = byte(&f->in);

	if (which >= 250)
		mqev_session_clear(&f->v.s, which % 2 == 0);
	else if (which >= 128)
		mqev_session_withdraw(&f->v.s, which - 127);
	else
		mqev_session_cancel(&f->v.s, which, MQEV_ERR_CANCELED);
}

static void
trim(struct fuzz *f)
{
	mqev_session_trim(&f->v.s);
}

static void
pump(struct fuzz *f)
{
	f->v.wants_pump = true;
	vclient_pump(&f->v);
}

static void
arm(struct fuzz *f)
{
	f->in_event = 1 + byte(&f->in) % 5;
}

/* --- the store ---------------------------------------------------------------------------------
 */

static void
commit(struct fuzz *f)
{
	uint8_t how = byte(&f->in);
	uint64_t ticket = journal.base.durable + 1 + how % 8;

	(void)f;
	if (journal.base.error != 0)
		return;
	if (how >= 128 || ticket > journal.ticket)
		ticket = journal.ticket;
	vjournal_commit_to(&journal, ticket);
}

/* One that waits and may be refused; all that is before it is durable by then. */
static void
refuse(struct fuzz *f)
{
	uint8_t which = byte(&f->in) % 16;

	for (size_t i = 0; i < journal.count && journal.base.error == 0; i++) {
		const struct vj_change *c = &journal.changes[i];

		if (c->kind != MQEV_CHANGE_PUT || !c->refusable || c->refused || which-- > 0)
			continue;
		vjournal_refuse(&journal, c->r.seq);
		return;
	}
}

static void
answer_loads(struct fuzz *f)
{
	static const int errors[] = {
	    0, 0, 0, 0, 0, MQEV_ERR_NOMEM, MQEV_ERR_STORE_DAMAGED, MQEV_ERR_NOT_FOUND};
	int error = errors[byte(&f->in) % 8];

	if (journal.base.error == 0)
		vjournal_answer(&journal, error);
}

static void
fail_store(struct fuzz *f)
{
	if (byte(&f->in) == 0xF5 && journal.base.error == 0)
		vjournal_fail(&journal, MQEV_ERR_STORE);
}

static void
crash(struct fuzz *f)
{
	fail_mem_never();
	journal.no_memory = false;
	f->in_event = 0;
	vserver_close(&f->vs);
	vjournal_crash(&journal);
}

static void
no_room(struct fuzz *f)
{
	journal.no_memory = byte(&f->in) % 2 != 0;
}

static void (*const actions[])(struct fuzz *f) = {publish, request, cancel, acknowledge,
    hostile_bytes, template_packet, answer, open_link, accept_link, close_link, pass_time, sent,
    disconnect, toggle, trim, pump, arm, no_memory, reauthenticate,
    /* with a store only */
    commit, commit, refuse, answer_loads, fail_store, crash, no_room};

#define OF_THE_STORE 7
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* In a callback; nothing that is only for the owner outside of all calls. */
static void
on_event(struct vclient *v, enum vevent event)
{
	struct fuzz *f = v->hook_arg;
	unsigned what = f->in_event;

	if (what == 0 || v->submitting || v->hook_depth > 1)
		return;
	(void)event;
	f->in_event = 0;
	if (what == 1)
		publish(f);
	else if (what == 2)
		request(f);
	else if (what == 3)
		mqev_session_disconnect(&v->s, 0, (struct mqev_bytes){0}, v->now);
	else if (what == 4)
		cancel(f);
	else
		mqev_session_fail(
		    &v->s, 0, MQEV_REASON_UNSPECIFIED_ERROR, "the application says so");
}

/* --- one input -------------------------------------------------------------------------------- */

static void
begin(struct fuzz *f)
{
	static const char method[] = "M";
	struct mqev_session_settings *set = &f->v.settings;
	uint8_t version = byte(&f->in);
	uint8_t clean = byte(&f->in);
	uint8_t flags = byte(&f->in);
	uint8_t window = byte(&f->in);

	vclient_init(&f->v, (enum mqev_version)(MQEV_V31 + version % 3));
	set->clean = (enum mqev_session_clean)(MQEV_SESSION_CLEAN_ALWAYS + clean % 4);
	set->session_expiry_s = f->v.s.version == MQEV_V5 && (clean & 4) != 0 ? 30 : 0;
	set->receive_maximum = (flags & 1) != 0 ? 2 : UINT16_MAX;
	set->topic_alias_maximum = (flags & 2) != 0 ? 3 : 0;
	set->topic_aliases = (flags & 4) != 0 ? 3 : 0;
	set->max_packet_size = (flags & 8) != 0 ? 64 : MQEV_VARINT_MAX + 5;
	set->keepalive_s = (flags & 16) != 0 ? 10 : 0;
	set->ack_timeout_ms = (flags & 32) != 0 ? 3000 : 0;
	set->ack_action = (enum mqev_ack_action)(
	    flags >> 6 & 1 ? MQEV_ACK_ACTION_RESEND : MQEV_ACK_ACTION_REPORT);
	set->hold_timeout_ms = 5000;
	set->auth_timeout_ms = 5000;
	set->max_inflight = 1 + window % 32;
	set->queue.max.count = 50;
	set->queue_full = (enum mqev_session_full)(version / 64);
	set->queue.high.count = 20;
	set->queue.low.count = 5;
	set->reject_offline_qos0 = (window & 32) != 0;
	set->lost_qos1_fails = (window & 64) != 0;
	set->lost_qos2_resends = (window & 128) != 0;
	if ((flags & 128) != 0) {
		f->auth = (struct mqev_auth){.size = sizeof(f->auth), .step = auth_step};
		set->auth = &f->auth;
		set->auth_method = (struct mqev_bytes){(const uint8_t *)method, 1};
	}
	vclient_restart(&f->v);
	f->v.no_record = getenv("FUZZ_TRACE") == NULL; /* to follow an input that failed */
	f->v.quiet_sent = true;
	f->v.hook = on_event;
	f->v.hook_arg = f;
	vserver_init(&f->vs, &f->v);
	f->kept = (clean & 8) != 0 && f->v.s.version != MQEV_V31;
	if (!f->kept)
		return;
	/* Answers that come late, and repeats of what was never sent, are more than the judge
	 * knows. */
	f->vs.unsure = true;
	set->inbox = (enum mqev_session_inbox)(clean / 16 % 3);
	vjournal_init(&journal, &f->v);
	journal.quiet = f->v.no_record;
}

static void
check(const struct fuzz *f)
{
	const char *error = f->v.broken[0] != '\0' ? f->v.broken : f->vs.error;

	if (error[0] == '\0')
		return;
	fprintf(stderr, "%.*sversion %d: %s\n", (int)f->v.record.len,
	    f->v.record.data != NULL ? (const char *)f->v.record.data : "", f->v.s.version, error);
	abort();
}

static void
end(struct fuzz *f)
{
	fail_mem_never();
	f->v.hook = NULL;
	vserver_look(&f->vs);
	vclient_free_session(&f->v);
	if (vclient_pending(&f->v) > 0)
		vclient_break(&f->v, "%zu operations never completed", vclient_pending(&f->v));
	check(f);
	vserver_free(&f->vs);
	vclient_free(&f->v);
	if (f->kept)
		vjournal_free(&journal);
	if (fail_mem_live() != 0) {
		fprintf(stderr, "%zu blocks leak\n", fail_mem_live());
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	size_t count;

	memset(&f, 0, sizeof(f));
	f.in = (struct input){data, data + size};
	begin(&f);
	count = f.kept ? ACTIONS : ACTIONS - OF_THE_STORE;
	for (unsigned i = 0; f.in.at < f.in.end && i < 300; i++) {
		uint8_t opcode = byte(&f.in);

		actions[opcode % count](&f);
		vserver_look(&f.vs);
		check(&f);
	}
	end(&f);
	return 0;
}
