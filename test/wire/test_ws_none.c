/* A build without wslay: WebSocket URLs are refused, everything else works. */
#include "wire/link_kit.h"

#include <unistd.h>

#include "net/ws.h"

START_TEST(test_refused)
{
	struct attempt a = {0};
	uint16_t port;
	int listener = listen_at("127.0.0.1", &port);

	ck_assert(!mqev_ws_supported());
	attempt_start(&a, "ws://127.0.0.1:%u/mqtt", port);
	attempt_await_error(&a, 2000, MQEV_NET_WEBSOCKET, MQEV_ERR_UNSUPPORTED);
	assert_error_says(&a, "without wslay");
	attempt_end(&a);
	attempt_start(&a, "mqtt://127.0.0.1:%u", port);
	attempt_await_link(&a, 2000);
	attempt_end(&a);
	close(listener);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ws_none");

	tcase_add_test(net_case(suite, "refusal", 10), test_refused);
	return net_main(suite);
}
