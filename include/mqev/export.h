/* How public names are marked; included by every other public header, declares nothing itself. */
#ifndef MQEV_EXPORT_H
#define MQEV_EXPORT_H

/*
 * The library is built with hidden visibility: what carries MQEV_EXPORT is the whole of its binary
 * interface.
 */
#if defined(__GNUC__) || defined(__clang__)
#	define MQEV_EXPORT __attribute__((visibility("default")))
#else
#	define MQEV_EXPORT
#endif

#endif /* MQEV_EXPORT_H */
