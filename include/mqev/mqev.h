/* mqev: an asynchronous MQTT 3.1, 3.1.1 and 5.0 client on libevent. This header includes all
 * others. */
#ifndef MQEV_MQEV_H
#define MQEV_MQEV_H

#include <mqev/auth.h>
#include <mqev/client.h>
#include <mqev/connect.h>
#include <mqev/event.h>
#include <mqev/fleet.h>
#include <mqev/handover.h>
#include <mqev/message.h>
#include <mqev/net.h>
#include <mqev/oneshot.h>
#include <mqev/properties.h>
#include <mqev/queue.h>
#include <mqev/reason.h>
#include <mqev/rpc.h>
#include <mqev/settings.h>
#include <mqev/stats.h>
#include <mqev/store.h>
#include <mqev/thread.h>
#include <mqev/tls.h>
#include <mqev/topic.h>
#include <mqev/trace.h>
#include <mqev/version.h>
#include <mqev/websocket.h>

#endif
