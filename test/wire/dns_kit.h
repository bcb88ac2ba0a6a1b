/* A DNS server of the test's own: answers over UDP and TCP as a table says, counts what it is
 * asked. */
#ifndef DNS_KIT_H
#define DNS_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28, DNS_SRV = 33 };

enum dns_way {
	DNS_ANSWER, /* what the records say; none of the type: empty answer */
	DNS_SILENCE,
	DNS_NXDOMAIN,
	DNS_SERVFAIL,
	DNS_REFUSED,
	DNS_TRUNCATED, /* over UDP; the answer over TCP */
	DNS_WRONG_ID,  /* an answer with another id, and then nothing */
	DNS_SPOOFED,   /* the same, then the right one */
	DNS_GARBAGE,   /* bytes that are no message, then nothing */
	DNS_CUT	       /* the right answer, its last 3 bytes missing */
};

/* One record, or with data NULL only the way in which a question of that type is answered. */
struct dns_record {
	const char *name;
	enum dns_type type;
	uint32_t ttl_s;
	const char *data; /* address, name, or "priority weight port target" */
	enum dns_way way; /* of the first record that fits the question */
	int delay_ms;	  /* likewise */
};

struct dns_conn;
struct dns_reply;

struct dns_server {
	const struct dns_record *records; /* ends with a NULL name; may be exchanged at any time */
	int questions;			  /* all that came, over TCP too */
	int tcp_questions;
	uint16_t port;
	char address[32]; /* "127.0.0.1:port" */
	int udp, tcp;
	struct event *udp_event, *tcp_event;
	struct dns_conn *conns;	   /* over TCP */
	struct dns_reply *replies; /* on their way */
};

/* Opens both sockets and makes the resolver of the world's net ask here. */
void dns_open(struct dns_server *server, const struct dns_record *records);
void dns_close(struct dns_server *server);

#endif
