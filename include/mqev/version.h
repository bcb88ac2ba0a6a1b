/* The version of the headers, and of the library that runs. */
#ifndef MQEV_VERSION_H
#define MQEV_VERSION_H

#include <mqev/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MQEV_VERSION_MAJOR 0
#define MQEV_VERSION_MINOR 1
#define MQEV_VERSION_PATCH 0
#define MQEV_VERSION "0.1.0"
#define MQEV_VERSION_NUMBER \
	((MQEV_VERSION_MAJOR << 16) | (MQEV_VERSION_MINOR << 8) | MQEV_VERSION_PATCH)

/* The same of the library in use: "0.1.0", and as a number that compares. Static storage, any
 * thread. */
MQEV_EXPORT const char *mqev_version(void);
MQEV_EXPORT int mqev_version_number(void);

#ifdef __cplusplus
}
#endif

#endif
